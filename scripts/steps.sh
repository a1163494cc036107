# Steps with a name, their seconds and a closing count. Sourced by scripts/test and others, which set `-euo pipefail`.
#
#   step NAME COMMAND...   runs it, notes whether it passed, and goes on either way
#   skip NAME WHY          notes that it was not run, and why
#   summary                prints the notes and `N passed, N failed, N skipped`; fails when a step failed
#   drilled DIR NAME PASSED   leaves sealed evidence of a drill (src/release/evidence.rs); PASSED is true or false

steps_passed=0
steps_failed=0
steps_skipped=0
steps_notes=()

# Without -e around it a function given to `step` would go on after a failed command, so it runs in a shell of its own
# that has -e, and not as a condition (where bash switches -e off).
step() {
    local name=$1 started=$SECONDS code note
    shift
    printf '\n==> %s\n' "$name"
    set +e
    (set -e; "$@")
    code=$?
    set -e
    if [ "$code" -eq 0 ]; then
        steps_passed=$((steps_passed + 1))
        note=$(printf 'passed   %5d s  %s' $((SECONDS - started)) "$name")
    else
        steps_failed=$((steps_failed + 1))
        note=$(printf 'FAILED   %5d s  %s (exit %d)' $((SECONDS - started)) "$name" "$code")
    fi
    steps_notes+=("$note")
    printf -- '--- %s\n' "$note"
}

skip() {
    steps_skipped=$((steps_skipped + 1))
    steps_notes+=("$(printf 'skipped       -    %s: %s' "$1" "$2")")
    printf '\n==> %s\n--- skipped: %s\n' "$1" "$2"
}

summary() {
    printf '\n'
    printf '%s\n' "${steps_notes[@]}"
    printf '\n%d passed, %d failed' "$steps_passed" "$steps_failed"
    if [ "$steps_skipped" -gt 0 ]; then
        printf ', %d skipped' "$steps_skipped"
    fi
    printf '\n'
    [ "$steps_failed" -eq 0 ]
}

# The seal is the SHA-256 of all before it, with a closing brace. A drill that needs no program of its own names none, which is nobody's.
drilled() {
    local program=${DRILL_PROGRAM:-$target/release/colo} binary='' body at host
    [ ! -r "$program" ] || binary=$(sha256sum <"$program" | cut -c1-64)
    at=$(date +%s%N)
    host=$(cat /proc/sys/kernel/hostname)
    body=$(printf '{"at_ns":%s,"binary_sha256":"%s","host":"%s","kind":"drill","name":"%s","passed":%s}' "$at" "$binary" "$host" "$2" "$3")
    printf '%s,"seal":"%s"}\n' "${body%\}}" "$(printf %s "$body" | sha256sum | cut -c1-64)" >"$1/drill-$2-$at.json"
}

# need COMMAND PACKAGE: a command that Debian's package PACKAGE brings is there, or is installed.
need() {
    command -v "$1" >/dev/null || from_debian "$1" "$2"
}

# from_debian WHAT PACKAGE: installs Debian's package PACKAGE, because WHAT is missing.
from_debian() {
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            echo "$1 is missing, and this is not root: apt-get install $2" >&2
            return 1
        fi
        sudo=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null; then
        echo "$1 is missing, and there is no apt-get: install what brings it (Debian: $2)" >&2
        return 1
    fi
    echo "$1 is missing: apt-get install $2"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"
}

# storage_services: what ops/tests/ship starts for itself, on loopback. Debian's PostgreSQL keeps its programs out of the path and begins a cluster of its own where it is installed: it is told not to.
storage_services() {
    if ! compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null && ! command -v postgres >/dev/null; then
        if [ "$(id -u)" -eq 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
        fi
        from_debian postgres postgresql || return 1
    fi
    need nats-server nats-server
}

# Cargo may be installed and not yet in the path of this shell. The folder of the build is absolute from here on.
use_cargo() {
    if ! command -v cargo >/dev/null && [ -r "${CARGO_HOME:-$HOME/.cargo}/env" ]; then
        . "${CARGO_HOME:-$HOME/.cargo}/env"
    fi
    if ! command -v cargo >/dev/null; then
        echo "cargo is missing: install the Rust toolchain with rustup (https://rustup.rs)" >&2
        return 1
    fi
    target=${CARGO_TARGET_DIR:-target}
    case $target in
        /*) ;;
        *) target=$PWD/$target ;;
    esac
    tools=${TOOLS:-$target/tools}
    export PATH="$tools/bin:$PATH"
}

# tool NAME VERSION: a program from crates.io, built once into TOOLS (default: tools in the target folder); after use_cargo. It is used for seconds, so it is built fast rather than
# to be fast: on two cores without optimisation cargo-deny takes under three minutes, cargo-fuzz two.
tool() {
    command -v "$1" >/dev/null && return 0
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=false \
        CARGO_TARGET_DIR="$tools/build" cargo install --quiet --locked --root "$tools" "$1@$2"
    rm -rf "$tools/build"
}

# What a drill builds is optimised as users have it. DRILL_PROFILE=dev takes what scripts/test has built already: with the features of the whole workspace, or all of it is built again.
#
#   drill_tests PACKAGE TEST ARGS...    runs a test of a drill
#   drill_binary                        builds colo, and says in `colo` where it is
drill_tests() {
    if [ "${DRILL_PROFILE:-}" = dev ]; then
        cargo test --workspace --test "$2" -- --nocapture "${@:3}"
    else
        cargo test --release --package "$1" --test "$2" -- --nocapture "${@:3}"
    fi
}

drill_binary() {
    if [ "${DRILL_PROFILE:-}" = dev ]; then
        cargo build --workspace --bins
        colo=$target/debug/colo
    else
        cargo build --release --package colo --bin colo
        colo=$target/release/colo
    fi
}
