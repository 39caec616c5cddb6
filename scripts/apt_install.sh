# Sourced. apt_install PACKAGE…, without letting any of them start a daemon on this machine.

apt_install() {
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
    fi
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get -qq -o Acquire::Retries=3 update &&
        apt-get -qq -o Acquire::Retries=3 install -y --no-install-recommends "$@" >/dev/null
}
