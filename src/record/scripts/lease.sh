# What the lease's scripts share. D is a3's folder; a lease is a file lease-<n> of one line of JSON, the
# highest n counts. HOLDER and ID are JSON strings.
LC_ALL=C; export LC_ALL
cd "$D" || exit 1
umask 007
now=$(date +%s)
highest() {
  n=0
  for lease in lease-*; do
    number=${lease#lease-}
    case $number in '' | *[!0-9]*) continue ;; esac
    [ "$number" -gt "$n" ] && n=$number
  done
}
field() {
  value=$(sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "lease-$n" 2>/dev/null)
  echo "${value:-0}"
}
mine() { grep -q "\"id\":$ID," "lease-$n" 2>/dev/null; }
say() { # word: the highest lease
  printf '%s %s %s ' "$1" "$now" "$n"
  tr -d '\n' <"lease-$n"
  echo
}
# since, expires: the lease's text, in a file of one's own.
new=.lease-$$
draft() { printf '{"holder":%s,"id":%s,"since":%s,"expires":%s}\n' "$HOLDER" "$ID" "$1" "$2" >"$new"; }
# Ends with 75 unless the lease is ours and in force.
verify() {
  highest
  if [ "$n" = 0 ] || ! mine || [ "$(field expires)" -le "$now" ]; then
    [ "$n" = 0 ] || say lost
    exit 75
  fi
}
