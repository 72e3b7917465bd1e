# Debian packages that the project's scripts need; sourced by them.
# shellcheck shell=bash

# The servers, file systems and tools that the tests run against.
# shellcheck disable=SC2034
TEST_PACKAGES=(gcc libc6-dev nginx squid microsocks mount e2fsprogs xfsprogs btrfs-progs fuse3
    aria2 curl wget strace util-linux redis-server gzip pigz zstd bzip2 pbzip2 lbzip2 xz-utils)

# install_missing PACKAGE…: installs what is missing where that is possible, says what is missing
# where it is not, and succeeds either way..
install_missing() {
    local package missing=()
    if ! command -v dpkg-query > /dev/null; then
        echo "This is no Debian machine. These Debian packages (or their like) are used: $*" >&2
        return 0
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        return 0
    fi
    if ((EUID != 0)); then
        echo "Missing, and only root can install: ${missing[*]}" >&2
        return 0
    fi
    echo "Installing ${missing[*]}"
    if ! without_services apt_install "${missing[@]}"; then
        echo "Could not install all of: ${missing[*]}" >&2
    fi
}

is_installed() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null) == installed ]]
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2 < /dev/null || true
    apt-get install --quiet=2 --yes --no-install-recommends "$@" < /dev/null
}

# Runs a command while no package may start its service: the tests start their own servers, and
# nobody asked for one on port 80.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [[ -e $policy ]]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    "$@" || status=$?
    rm -f "$policy"
    return "$status"
}
