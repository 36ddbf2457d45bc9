#!/usr/bin/env bash
# Fetches Kafka Streams with Maven into jars/, where it is not there yet, and compiles the contender into classes/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
    echo "bench/streams/build.sh: $*" >&2
    exit 1
}

wanted=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' pom.xml)
if [ ! -e "jars/kafka-streams-$wanted.jar" ]; then
    rm -rf jars jars.part
    mvn --batch-mode --quiet -Dstyle.color=never --file pom.xml package -Djars="$PWD/jars.part" >&2 || fail "Maven could not fetch Kafka Streams"
    # As for Kafka's own: see deploy/kafka/kafka.sh. A new version in pom.xml: sha256sum ./*.jar >../jars.sha256 in jars.part.
    [ "$(find jars.part -name '*.jar' | wc -l)" = "$(wc -l <jars.sha256)" ] &&
        (cd jars.part && sha256sum --check --strict --quiet ../jars.sha256 >&2) ||
        fail "what Maven fetched is not what jars.sha256 says: $PWD/jars.part"
    mv jars.part jars
fi
[ classes/Contender.class -nt Contender.java ] || javac -Xlint:all -Werror --release 17 -cp 'jars/*' -d classes Contender.java
