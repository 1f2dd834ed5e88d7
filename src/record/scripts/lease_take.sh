# TTL: how long it is in force without being renewed; GRACE: how long after that it is left alone, so
# that a renewal on its way and a takeover cannot both succeed. MACHINE: whose leases are those of the
# dead, or nothing.
dead() { [ -n "$MACHINE" ] && grep -qF "\"id\":\"$MACHINE-" "lease-$n" 2>/dev/null; }
tries=0
while [ "$tries" -lt 10 ]; do
  tries=$((tries + 1))
  now=$(date +%s)
  highest
  if [ "$n" -gt 0 ]; then
    expires=$(field expires)
    if [ "$expires" != 0 ] && [ "$now" -lt $((expires + GRACE)) ] && ! dead; then
      rm -f "$new"
      say held
      exit 0
    fi
  fi
  next=$((n + 1))
  draft "$now" $((now + TTL)) || exit 1
  # Making a link is exclusive and shows the whole text at once.
  if ln "$new" "lease-$next" 2>/dev/null; then
    rm -f "$new"
    highest
    if [ "$n" = "$next" ]; then
      for lease in lease-*; do
        number=${lease#lease-}
        case $number in '' | *[!0-9]*) continue ;; esac
        [ "$number" -lt "$next" ] && rm -f "$lease"
      done
      say taken
      exit 0
    fi
    # A higher one came and went below us: ours never counted.
    rm -f "lease-$next"
  elif [ ! -e "lease-$next" ]; then
    rm -f "$new"
    echo "cannot make lease-$next in $D" >&2
    exit 1
  fi
done
rm -f "$new"
exit 1
