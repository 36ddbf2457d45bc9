import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.management.ManagementFactory;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.AutoOffsetReset;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/**
 * The job of the benchmark on Kafka Streams: who passes a limit of the built-in policy, exactly once, state in a changelog.
 *
 * <p>Arguments: bootstrap servers, the topic of verdicts, application id, topic of blocks, folder of the state, {@code memory} or
 * {@code rocksdb}, number of threads, after how many records the Java machine counts as warm. It ends when it has read to where the
 * topic ended at its start. {@code bench/README.md} says how it is tuned and why.
 */
public final class Contender {
    private static final String VERDICTS = "verdicts", COUNT = "count", BLOCKS = "blocks", SENDERS = "senders";

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0], topic = arguments[1], application = arguments[2], blocks = arguments[3];
        Progress progress = Progress.of(bootstrap, topic, application, Long.parseLong(arguments[7]));
        Properties settings = settings(bootstrap, application, arguments[4], arguments[6]);
        KafkaStreams streams = new KafkaStreams(topology(topic, blocks, arguments[5].equals("memory"), progress), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((state, before) -> progress.is(state));
        streams.start();
        progress.await();
        streams.close(CloseOptions.groupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
    }

    private static Topology topology(String topic, String blocks, boolean inMemory, Progress progress) {
        var supplier = inMemory ? Stores.inMemoryKeyValueStore(SENDERS) : Stores.persistentKeyValueStore(SENDERS);
        return new Topology()
                .addSource(AutoOffsetReset.earliest(), VERDICTS, (record, before) -> ((Verdict) record.value()).occurredAt,
                        (name, key) -> null, Verdict.DESERIALIZER, topic)
                .addProcessor(COUNT, () -> new Counting(progress), VERDICTS)
                .addStateStore(Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), Serdes.ByteArray()).withCachingEnabled(), COUNT)
                .addSink(BLOCKS, blocks, new ByteArraySerializer(), new ByteArraySerializer(), COUNT);
    }

    private static Properties settings(String bootstrap, String application, String folder, String threads) {
        Properties chosen = new Properties();
        chosen.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        chosen.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        chosen.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        chosen.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        chosen.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        chosen.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        chosen.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 512L << 20); // all senders: a store is only written at a commit
        chosen.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        chosen.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksDb.class);
        chosen.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000);
        chosen.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 4 << 20);
        chosen.put(ConsumerConfig.RECEIVE_BUFFER_CONFIG, 1 << 20);
        chosen.put(ConsumerConfig.CHECK_CRCS_CONFIG, false); // as librdkafka has it
        chosen.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        chosen.put(ProducerConfig.BATCH_SIZE_CONFIG, 512 << 10);
        chosen.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 128L << 20);
        return chosen;
    }

    /** What the rules need of a verdict. */
    record Verdict(long occurredAt, Bytes sender, int internal, int external, boolean isSpam) {
        private static final byte[] FINGERPRINT = fingerprint();
        private static final int FIRST_SPAM = 3; // SPAM, after UNKNOWN, CLEAN and BULK
        static final Deserializer<Verdict> DESERIALIZER = (topic, content) -> new Reader(content).verdict();

        private static byte[] fingerprint() {
            return java.util.HexFormat.of().parseHex(System.getProperty("fingerprint"));
        }

        /** Avro by hand: the fields in the order of schemas/MessageVerdict.avsc, after marker and fingerprint of its schema. */
        private static final class Reader {
            private final byte[] content;
            private int at;

            Reader(byte[] content) {
                this.content = content;
            }

            Verdict verdict() {
                if (!Arrays.equals(content, 0, FINGERPRINT.length, FINGERPRINT, 0, FINGERPRINT.length)) {
                    throw new IllegalArgumentException("not a MessageVerdict of the schema that this program knows");
                }
                at = FINGERPRINT.length;
                skipBytes(); // event_id
                long occurredAt = number();
                skipBytes(); // tenant_id
                int length = (int) number();
                Bytes sender = Bytes.wrap(Arrays.copyOfRange(content, at, at + length));
                at += length;
                skipOptional(); // message_id
                skipOptional(); // client_ip
                return new Verdict(occurredAt, sender, (int) number(), (int) number(), number() >= FIRST_SPAM);
            }

            private void skipOptional() {
                if (number() == 1) {
                    skipBytes();
                }
            }

            private void skipBytes() {
                int length = (int) number();
                at += length;
            }

            private long number() {
                long bits = 0;
                int shift = 0;
                byte next;
                do {
                    next = content[at++];
                    bits |= (long) (next & 0x7f) << shift;
                    shift += 7;
                } while (next < 0);
                return bits >>> 1 ^ -(bits & 1);
            }
        }
    }

    /** One partition's verdicts in their order. */
    static final class Counting implements Processor<Object, Verdict, byte[], byte[]> {
        private static final int MOST_KNOWN = 1_000_000;
        private final Progress progress;
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<Bytes, byte[]> senders;
        /** The same arrays as in the store's cache, which finds them by a tree: half of what an even spread costs. */
        private Map<Bytes, byte[]> known;

        Counting(Progress progress) {
            this.progress = progress;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> given) {
            context = given;
            senders = given.getStateStore(SENDERS);
            known = new HashMap<>();
        }

        @Override
        public void process(Record<Object, Verdict> record) {
            Verdict verdict = record.value();
            long now = context.currentStreamTimeMs(); // Streams keeps it with the committed offset
            byte[] before = known.get(verdict.sender);
            if (before == null) {
                before = senders.get(verdict.sender);
            }
            boolean wasBlocked = before != null && Sender.isBlocked(before, now);
            byte[] after = Sender.after(before, now, verdict);
            if (after != null) {
                if (after != before) {
                    if (known.size() == MOST_KNOWN) {
                        known.clear();
                    }
                    known.put(verdict.sender, after);
                }
                senders.put(verdict.sender, after);
                if (!wasBlocked && Sender.isBlocked(after, now)) {
                    tell(verdict, Sender.until(after), context.recordMetadata().orElseThrow());
                }
            }
            RecordMetadata place = context.recordMetadata().orElseThrow();
            progress.done(place.partition(), place.offset());
        }

        private void tell(Verdict verdict, long until, RecordMetadata place) {
            String sender = new String(verdict.sender.get(), StandardCharsets.UTF_8);
            String block = String.format("{\"sender\": \"%s\", \"partition\": %d, \"offset\": %d, \"until_ms\": %d}", sender, place.partition(), place.offset(), until);
            context.forward(new Record<>(verdict.sender.get(), block.getBytes(StandardCharsets.UTF_8), verdict.occurredAt));
        }
    }

    /**
     * What is known of a sender, in the bytes that the store holds: nothing is made of them to count one message more.
     *
     * <p>A head, then a cell for each pane of the day in which he sent, the oldest first: the pane's low 16 bits, messages, spam,
     * recipients inside and outside, 16 bits each; a count that would not fit stays at the most that does, far past every limit.
     * The head: until when he is blocked, from when his mail counts, the pane that the sums are of, where the hour's cells begin, and
     * the sums that have limits.
     */
    static final class Sender {
        private static final long PANE_MS = 300_000, DAY_MS = 86_400_000;
        private static final int HOUR = 12, DAY = 288, CELL = 10;
        private static final int UNTIL = 0, FROM = 8, PANE = 16, HOUR_AT = 20, DAY_MESSAGES = 24, DAY_SPAM = 28, DAY_RECIPIENTS = 32,
                HOUR_SPAM = 36, HOUR_INTERNAL = 40, HOUR_EXTERNAL = 44, CELLS = 48;
        private static final int MESSAGES = 2, SPAM = 4, INTERNAL = 6, EXTERNAL = 8;
        private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
        private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
        private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

        static long until(byte[] sender) {
            return (long) LONG.get(sender, UNTIL);
        }

        static boolean isBlocked(byte[] sender, long now) {
            return until(sender) > now;
        }

        /** The sender with one verdict more, in the same array or another; null if the verdict changes nothing. */
        static byte[] after(byte[] before, long now, Verdict verdict) {
            byte[] sender = before == null ? new byte[CELLS] : before;
            int current = (int) (now / PANE_MS), pane = (int) (verdict.occurredAt / PANE_MS);
            long until = until(sender);
            if (until != 0 && until <= now) { // expired: he starts at zero
                sender = new byte[CELLS];
                LONG.set(sender, FROM, until);
            }
            if (pane <= current - DAY || verdict.occurredAt < (long) LONG.get(sender, FROM)) {
                return sender == before ? null : sender;
            }
            int gone = leave(sender, current);
            sender = count(sender, gone, current, pane, verdict);
            if (until(sender) == 0 && exceeds(sender)) {
                LONG.set(sender, UNTIL, (now / DAY_MS + 1) * DAY_MS);
            }
            return sender;
        }

        private static boolean exceeds(byte[] sender) {
            int messages = integer(sender, DAY_MESSAGES), spam = integer(sender, DAY_SPAM);
            return integer(sender, HOUR_SPAM) > 10
                    || spam > 30
                    || messages >= 20 && 100L * spam > 50L * messages
                    || integer(sender, HOUR_EXTERNAL) > 500
                    || integer(sender, HOUR_INTERNAL) > 1000
                    || integer(sender, DAY_RECIPIENTS) > 1000;
        }

        /** Takes out of the sums what has left the windows; returns how many bytes of cells at the front are of no use any more. */
        private static int leave(byte[] sender, int current) {
            int last = integer(sender, PANE);
            if (current == last) {
                return 0;
            }
            INT.set(sender, PANE, current);
            if (current - last >= DAY) {
                Arrays.fill(sender, HOUR_AT, CELLS, (byte) 0);
                return sender.length - CELLS;
            }
            int cell = CELLS + integer(sender, HOUR_AT);
            for (; cell < sender.length && age(sender, cell, current) >= HOUR; cell += CELL) {
                add(sender, HOUR_SPAM, -count(sender, cell + SPAM));
                add(sender, HOUR_INTERNAL, -count(sender, cell + INTERNAL));
                add(sender, HOUR_EXTERNAL, -count(sender, cell + EXTERNAL));
            }
            INT.set(sender, HOUR_AT, cell - CELLS);
            cell = CELLS;
            for (; cell < sender.length && age(sender, cell, current) >= DAY; cell += CELL) {
                add(sender, DAY_MESSAGES, -count(sender, cell + MESSAGES));
                add(sender, DAY_SPAM, -count(sender, cell + SPAM));
                add(sender, DAY_RECIPIENTS, -count(sender, cell + INTERNAL) - count(sender, cell + EXTERNAL));
            }
            add(sender, HOUR_AT, -Math.min(cell - CELLS, integer(sender, HOUR_AT)));
            return cell - CELLS;
        }

        private static byte[] count(byte[] sender, int gone, int current, int pane, Verdict verdict) {
            int cell = sender.length - CELL, age = current - pane;
            while (cell >= CELLS + gone && age(sender, cell, current) < age) {
                cell -= CELL;
            }
            boolean isNew = cell < CELLS + gone || age(sender, cell, current) > age;
            if (isNew || gone > 0) {
                int place = cell + (isNew ? CELL : 0), room = isNew ? CELL : 0;
                byte[] wider = new byte[sender.length - gone + room];
                System.arraycopy(sender, 0, wider, 0, CELLS);
                System.arraycopy(sender, CELLS + gone, wider, CELLS, place - CELLS - gone);
                System.arraycopy(sender, place, wider, place - gone + room, sender.length - place);
                sender = wider;
                cell = place - gone;
                if (isNew) {
                    SHORT.set(sender, cell, (short) pane);
                }
            }
            if (isNew && age >= HOUR) {
                add(sender, HOUR_AT, CELL);
            }
            int spam = raise(sender, cell + SPAM, verdict.isSpam ? 1 : 0);
            int internal = raise(sender, cell + INTERNAL, verdict.internal), external = raise(sender, cell + EXTERNAL, verdict.external);
            add(sender, DAY_MESSAGES, raise(sender, cell + MESSAGES, 1));
            add(sender, DAY_SPAM, spam);
            add(sender, DAY_RECIPIENTS, internal + external);
            if (age < HOUR) {
                add(sender, HOUR_SPAM, spam);
                add(sender, HOUR_INTERNAL, internal);
                add(sender, HOUR_EXTERNAL, external);
            }
            return sender;
        }

        private static int age(byte[] sender, int cell, int current) {
            return (short) (current - (short) SHORT.get(sender, cell));
        }

        private static int raise(byte[] sender, int at, int by) {
            int before = count(sender, at), after = (int) Math.min((long) before + by, 0xffff);
            SHORT.set(sender, at, (short) after);
            return after - before;
        }

        private static int count(byte[] sender, int at) {
            return (short) SHORT.get(sender, at) & 0xffff;
        }

        private static int integer(byte[] sender, int at) {
            return (int) INT.get(sender, at);
        }

        private static void add(byte[] sender, int at, int by) {
            INT.set(sender, at, (int) INT.get(sender, at) + by);
        }
    }

    /** How far it is to where the topic ended at the start, and what it has cost so far. */
    static final class Progress {
        private static final int STEP = 1024;
        private final Map<Integer, Long> ends = new ConcurrentHashMap<>();
        private final AtomicLong records = new AtomicLong();
        private final ThreadLocal<int[]> uncounted = ThreadLocal.withInitial(() -> new int[1]);
        private final long warmAfter;
        private boolean isRunning;

        private Progress(long warmAfter) {
            this.warmAfter = warmAfter;
        }

        static Progress of(String bootstrap, String topic, String group, long warmAfter) throws Exception {
            Progress progress = new Progress(warmAfter);
            try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
                var partitions = admin.describeTopics(java.util.List.of(topic)).allTopicNames().get().get(topic).partitions().stream()
                        .collect(Collectors.toMap(each -> new TopicPartition(topic, each.partition()), each -> OffsetSpec.latest()));
                var committed = new HashMap<>(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
                admin.listOffsets(partitions).all().get().forEach((partition, end) -> {
                    var start = committed.get(partition);
                    if (end.offset() > (start == null ? 0 : start.offset())) {
                        progress.ends.put(partition.partition(), end.offset());
                    }
                });
            }
            return progress;
        }

        void done(int partition, long offset) {
            int[] count = uncounted.get();
            if (++count[0] == STEP) {
                long before = records.getAndAdd(STEP);
                count[0] = 0;
                if (before < warmAfter && before + STEP >= warmAfter) {
                    mark(before + STEP);
                }
            }
            Long end = ends.get(partition);
            if (end != null && offset + 1 >= end) {
                records.addAndGet(count[0]);
                count[0] = 0;
                ends.remove(partition);
                synchronized (this) {
                    notifyAll();
                }
            }
        }

        synchronized void is(KafkaStreams.State state) {
            isRunning |= state == KafkaStreams.State.RUNNING;
            notifyAll();
        }

        synchronized void await() throws InterruptedException {
            while (!isRunning || !ends.isEmpty()) {
                wait();
            }
            mark(records.get());
        }

        private static void mark(long records) {
            var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
            double wall = (System.currentTimeMillis() - ManagementFactory.getRuntimeMXBean().getStartTime()) / 1e3;
            System.out.printf("mark %d %.3f %.3f%n", records, system.getProcessCpuTime() / 1e9, wall);
        }
    }

    /** Larger buffers and one cache for all partitions, as Kafka's own page on memory advises. */
    public static final class RocksDb implements RocksDBConfigSetter {
        private static final Cache CACHE = new LRUCache(128L << 20);

        @Override
        public void setConfig(String store, Options options, Map<String, Object> settings) {
            var table = (BlockBasedTableConfig) options.tableFormatConfig();
            table.setBlockCache(CACHE);
            options.setTableFormatConfig(table);
            options.setWriteBufferSize(64L << 20);
            options.setMaxWriteBufferNumber(3);
        }

        @Override
        public void close(String store, Options options) {}
    }

    private Contender() {}
}
