#!/usr/bin/env bash
# A Kafka of one broker or three on this machine, for tests, benchmarks and single-machine use.
#
#   kafka.sh start  [--data DIR] [--brokers 1|3] [--port PORT] [--secured DIR] [--set NAME=VALUE]...
#   kafka.sh stop   [--data DIR]
#   kafka.sh status [--data DIR]
#   kafka.sh prepare ...       what start does before it starts anything (same options)
#   kafka.sh run --node N [--data DIR]      one prepared node in the foreground, for a supervisor
#   kafka.sh jars              fetch Kafka with Maven, if it is not there yet
#
# A data folder is prepared once and then keeps its ports and settings: `--brokers`, `--port` (of the first broker; the others
# and the controllers take free ones), `--secured` and `--set` count when it is new. The address of the brokers is in DIR/bootstrap.
# `--secured DIR`: with TLS, logins and ACLs, by the certificates and the password in DIR; see secured.properties.
# Environment: KAFKA_HEAP (default 1g), KAFKA_JAVA_OPTIONS, KAFKA_PORTS (where free ones are sought, default 20000-31999), JAVA_HOME.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=$here/../../.cache/kafka
brokers=1
port=0
secured=
node=
extra=()

usage() {
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
}

fail() {
    echo "kafka.sh: $*" >&2
    exit 1
}

java_command() {
    local java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    local missing="install Java 17 or newer (Debian: openjdk-17-jre-headless)"
    command -v "$java" >/dev/null || fail "no Java found: $missing"
    [ "$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)" -ge 17 ] || fail "$java is too old: $missing"
    echo "$java"
}

jars() {
    local wanted
    wanted=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
    [ -e "$here/jars/kafka_2.13-$wanted.jar" ] && return
    command -v mvn >/dev/null || fail "Kafka itself is fetched with Maven, which is missing (Debian: maven)"
    rm -rf "$here/jars" "$here/jars.part"
    mvn --batch-mode --quiet -Dstyle.color=never --file "$here/pom.xml" package -Djars="$here/jars.part" >&2 || fail "Maven could not fetch Kafka"
    # Maven checks what a repository says of its own files; that they are the same ones as ever, we check. A new version in pom.xml:
    # sha256sum ./*.jar >../jars.sha256 in its folder.
    [ "$(find "$here/jars.part" -name '*.jar' | wc -l)" = "$(wc -l <"$here/jars.sha256")" ] &&
        (cd "$here/jars.part" && sha256sum --check --strict --quiet "$here/jars.sha256" >&2) ||
        fail "what Maven fetched is not what jars.sha256 says: $here/jars.part"
    mv "$here/jars.part" "$here/jars"
}

# A port below the range for outgoing connections (so none of those takes it before we listen) on which nobody listens.
free_port() {
    local candidate first last
    IFS=- read -r first last <<<"${KAFKA_PORTS:-20000-31999}"
    while :; do
        candidate=$((first + (RANDOM * 32768 + RANDOM) % (last - first + 1)))
        case " $taken " in *" $candidate "*) continue ;; esac
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

prepare() {
    [ -e "$data/bootstrap" ] && return
    [ "$brokers" = 1 ] || [ "$brokers" = 3 ] || fail "--brokers $brokers: expected 1 or 3"
    local java
    java=$(java_command)
    mkdir -p "$data"
    local taken="" voters="" bootstrap="" cluster n first=$port
    cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
    local -a ports controllers between
    for n in $(seq "$brokers"); do
        if [ "$n" = 1 ] && [ "$first" != 0 ]; then ports[n]=$first; else ports[n]=$(free_port); fi
        taken+=" ${ports[n]}"
        controllers[n]=$(free_port)
        taken+=" ${controllers[n]}"
        between[n]=$(free_port)
        taken+=" ${between[n]}"
        voters+=${voters:+,}$n@127.0.0.1:${controllers[n]}
        bootstrap+=${bootstrap:+,}127.0.0.1:${ports[n]}
    done
    local insync=1
    [ "$brokers" = 3 ] && insync=2
    local -a formatting=() templates=("$here/broker.properties") logins=()
    if [ -n "$secured" ]; then
        for n in node.pem ca.pem admin-password; do [ -r "$secured/$n" ] || fail "--secured $secured: there is no $n to read (docs/security.md says how to make it)"; done
        templates+=("$here/secured.properties")
        # In a file, as everybody can read what a process is started with.
        logins=("@$data/logins")
        (umask 077 && printf -- '--add-scram\nSCRAM-SHA-512=[name=admin,password=%s]\n' "$(cat "$secured/admin-password")" >"$data/logins")
    fi
    for n in $(seq "$brokers"); do
        local folder=$data/node-$n
        mkdir -p "$folder"
        sed -e "s|@NODE@|$n|; s|@VOTERS@|$voters|; s|@PORT@|${ports[n]}|; s|@CONTROLLER_PORT@|${controllers[n]}|" \
            -e "s|@NODES_PORT@|${between[n]}|; s|@FOLDER@|$folder|; s|@REPLICATION@|$brokers|; s|@MIN_INSYNC@|$insync|" \
            -e "s|@SECRETS@|$secured|" "${templates[@]}" >"$folder/server.properties"
        [ ${#extra[@]} = 0 ] || printf '%s\n' "${extra[@]}" >>"$folder/server.properties"
        "$java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$here/jars/*" kafka.tools.StorageTool format \
            --cluster-id="$cluster" --config "$folder/server.properties" ${logins[@]+"${logins[@]}"} >"$folder/format.log" 2>&1 &
        formatting+=($!)
    done
    for n in "${!formatting[@]}"; do
        wait "${formatting[n]}" || fail "cannot format: $(tail -n 3 "$data/node-$((n + 1))/format.log")"
    done
    rm -f "$data/logins"
    echo "$bootstrap" >"$data/bootstrap"
}

run() {
    local folder=$data/node-$node
    [ -e "$folder/server.properties" ] || fail "no node $node in $data"
    local java
    java=$(java_command)
    # The options are words:
    # shellcheck disable=SC2086
    exec "$java" -Xmx"${KAFKA_HEAP:-1g}" -XX:+ExitOnOutOfMemoryError ${KAFKA_JAVA_OPTIONS:-} \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX" \
        -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
        -cp "$here/jars/*" kafka.Kafka "$folder/server.properties"
}

nodes() {
    [ -e "$data/bootstrap" ] || return 0
    local folder
    for folder in "$data"/node-*; do echo "${folder##*-}"; done
}

# The process of node $1, if it runs; a number that another process has got since does not count.
running() {
    local pid
    pid=$(cat "$data/node-$1/pid" 2>/dev/null) || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$data/node-$1/server.properties" || return 1
    echo "$pid"
}

start() {
    prepare
    local n log
    for n in $(nodes); do
        running "$n" >/dev/null && continue
        log=$data/node-$n/broker.log
        : >"$log"
        node=$n
        # Its own session: Ctrl-C at the terminal that started it is not meant for it.
        (setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' - "$data/node-$n/pid" "$0" run --node "$n" --data "$data" \
            </dev/null >>"$log" 2>&1 &)
    done
    for n in $(nodes); do
        log=$data/node-$n/broker.log
        local tries=0
        until grep -q "Kafka Server started" "$log"; do
            tries=$((tries + 1))
            [ $tries -lt 600 ] && { [ $tries -lt 20 ] || running "$n" >/dev/null; } ||
                fail "node $n did not start, see $log: $(grep -E 'ERROR|Exception' "$log" | head -n 2)"
            sleep 0.1
        done
    done
    status
}

stop() {
    local n pid
    local -a pids=()
    for n in $(nodes); do
        if pid=$(running "$n"); then
            kill "$pid"
            pids+=("$pid")
        fi
    done
    for pid in ${pids[@]+"${pids[@]}"}; do
        local tries=0
        while kill -0 "$pid" 2>/dev/null; do
            tries=$((tries + 1))
            [ $tries -lt 300 ] || kill -9 "$pid" 2>/dev/null || true
            sleep 0.1
        done
    done
    rm -f "$data"/node-*/pid
}

status() {
    local n pid all=0
    [ -n "$(nodes)" ] || { echo "nothing prepared in $data"; return 3; }
    for n in $(nodes); do
        if pid=$(running "$n"); then echo "node $n runs, process $pid"; else
            echo "node $n is stopped"
            all=3
        fi
    done
    echo "bootstrap servers: $(cat "$data/bootstrap")"
    return $all
}

command=${1:-}
[ $# -gt 0 ] && shift
while [ $# -gt 0 ]; do
    case $1 in
        --data) data=$2 ;;
        --brokers) brokers=$2 ;;
        --port) port=$2 ;;
        --secured) secured=$(realpath "$2") ;;
        --node) node=$2 ;;
        --set) extra+=("$2") ;;
        *) fail "unknown option $1" ;;
    esac
    shift 2
done
mkdir -p "$(dirname "$data")"
data=$(realpath -m "$data")
case $command in
    start) jars && start ;;
    stop | status | jars) $command ;;
    prepare) jars && prepare ;;
    run) run ;;
    help | -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
