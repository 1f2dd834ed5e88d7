# Runs the installation INNER as root, and shows what it says. SUDO is set. It does not end with the
# connection: half an installation is worse than one that nobody watches.
LC_ALL=C; export LC_ALL
as=
if [ "$(id -u)" != 0 ]; then
  if [ "$SUDO" = yes ] && sudo -n true 2>/dev/null; then as='sudo -n'; else exit 77; fi
fi
me=$(id -un)
log=$(mktemp) || exit 1
(
  trap '' HUP PIPE
  printf '%s\n' "$INNER" | $as env A3_USER="$me" setsid -w sh -s >"$log" 2>&1
) &
work=$!
tail -n +1 -s 0.2 -f --pid="$work" "$log"
wait "$work"
status=$?
rm -f "$log"
exit "$status"
