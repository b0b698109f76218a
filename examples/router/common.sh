# SPDX-License-Identifier: BSD-2-Clause
# What the guests of a network have in common: for their init, which has read role= from the command line.
/bin/busybox mkdir -p /usr/bin /usr/sbin /etc
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
role=$(sed -n 's/.*role=\([^ ]*\).*/\1/p' /proc/cmdline)

say() {
    echo "$role: $*"
}

# check WHAT COMMAND...
check() {
    what=$1
    shift
    if said=$("$@" 2>&1); then say "$what: ok${said:+, $said}"; else say "FAIL: $what: $said"; fi
}

# load forwards: with what a guest that forwards needs
load() {
    while read -r module; do
        [ "$1" = forwards ] || case $module in nf*) continue ;; esac
        insmod "/$module.ko" || say "FAIL: module $module"
    done </modules
    ip link set lo up
}

# The card whose address ends so: names depend on who was found first.
card() {
    for c in /sys/class/net/*; do
        grep -q "$1\$" "$c/address" && basename "$c"
    done
}

# address CARD ADDRESS [MTU]
address() {
    ip address add "$2/24" dev "$1" && ip link set "$1" mtu "${3:-1500}" up
}

# Until somebody answers there.
wait_for() {
    for _ in $(seq 60); do
        ping -c 1 -W 1 "$1" >/dev/null 2>&1 && break
    done
}

# pings ADDRESS COUNT [BYTES]
pings() {
    ping -c "$2" -s "${3:-56}" -i 0.01 -W 2 "$1" | grep -o "$2 packets received"
}
