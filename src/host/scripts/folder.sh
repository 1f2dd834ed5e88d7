# What a3 wrote down in its folder $1.
cd "$1" || exit 1
one_line() {
  printf '%s ' "$1"
  tr -d '\n' <"$2"
  echo
}
[ -f record.json ] && one_line record record.json
[ -f key ] && one_line key key
highest=0
for lease in lease-*; do
  number=${lease#lease-}
  case $number in '' | *[!0-9]*) continue ;; esac
  [ "$number" -gt "$highest" ] && highest=$number
done
[ "$highest" -gt 0 ] && one_line "lease $highest" "lease-$highest"
exit 0
