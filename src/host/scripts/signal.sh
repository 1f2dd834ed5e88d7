# A signal to a process's group, or, where it leads none, to itself. Those of containers are mostly root's.
send() {
    "$@" kill -s "$SIGNAL" -- "-$PID" 2>/dev/null || "$@" kill -s "$SIGNAL" "$PID" 2>/dev/null
}
send || { [ "$SUDO" = yes ] && send sudo -n; }
