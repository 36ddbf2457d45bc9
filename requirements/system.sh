#!/usr/bin/env bash
# Sees to it that programs are there which pip cannot install: `system.sh python java maven chromium`. As root on Debian or Ubuntu it
# installs what is missing; elsewhere it names the package and fails.
set -euo pipefail

updated=
install() {
    local package=$1
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        [ -n "$updated" ] || apt-get update -qq
        updated=yes
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >&2 && return
    fi
    echo "system.sh: $2 is missing; install it (Debian, Ubuntu: sudo apt-get install $package)" >&2
    exit 1
}

# Python 3.11 or newer that can make virtual environments; the last line printed is its name.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

python() {
    find_python && return
    install python3-venv "Python 3.11 or newer, with venv"
    find_python && return
    echo "system.sh: this system's python3 is older than 3.11: install a newer one and name it, as in make PYTHON=python3.12" >&2
    exit 1
}

java() {
    local found
    found=$(command java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || true
    [ "${found:-0}" -ge 17 ] && return
    if apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
        install openjdk-17-jre-headless "Java 17 or newer"
    else
        install default-jre-headless "Java 17 or newer"
    fi
}

# With its compiler, for the contender in Java.
jdk() {
    command -v javac >/dev/null && return
    if apt-cache show openjdk-17-jdk-headless >/dev/null 2>&1; then
        install openjdk-17-jdk-headless "a JDK of Java 17 or newer"
    else
        install default-jdk-headless "a JDK of Java 17 or newer"
    fi
}

maven() {
    command -v mvn >/dev/null || install maven "Maven"
}

# A browser that needs no screen, for the tests of pages.
chromium() {
    local candidate
    for candidate in chromium chromium-browser google-chrome; do
        command "$candidate" --version >/dev/null 2>&1 && return
    done
    install chromium "Chromium"
}

for program in "$@"; do "$program"; done
