# Sourced. find_python 3.10 [MODULE…]: sets $python to the first Python on PATH that is new enough and has the modules.

find_python() {
    floor=$1
    shift
    lacking=
    for python in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8; do
        version=$("$python" -I -S -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        [ "${version#*.}" -ge "${floor#*.}" ] || continue
        [ $# = 0 ] || "$python" -I -S -c "import $(echo "$@" | tr ' ' ,)" 2>/dev/null && return
        lacking=${lacking:-$version}
    done
    if [ "$lacking" ]; then
        echo "${0##*/}: Python $lacking lacks its venv module; on Debian: apt-get install python$lacking-venv" >&2
    else
        echo "${0##*/}: needs Python $floor or newer, and there is none on PATH" >&2
    fi
    return 1
}
