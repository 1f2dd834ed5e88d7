# Makes ready for files: folders there, no leftovers, nothing in the way. SUDO is set; the parameters are
# u or s, target, temporary name, for each file. Answers only what is wrong, and where sudo's files wait.
LC_ALL=C; export LC_ALL
root=
[ "$(id -u)" = 0 ] || root='sudo -n'
may=yes
if [ -n "$root" ]; then
  { [ "$SUDO" = yes ] && sudo -n true 2>/dev/null; } || may=no
fi
stage=
number=0
while [ $# -gt 0 ]; do
  kind=$1 target=$2 new=$3
  shift 3
  folder=${target%/*}
  as=
  if [ "$kind" = s ]; then
    if [ "$may" = no ]; then
      echo "nosudo $number"
      number=$((number + 1))
      continue
    fi
    as=$root
    [ -n "$stage" ] || stage=$(umask 077; mktemp -d) || exit 1
  fi
  if ! { [ -d "${folder:-/}" ] || $as mkdir -p "$folder" 2>/dev/null; }; then
    echo "denied $number"
  elif $as test -d "$target"; then
    echo "folder $number"
  elif [ "$kind" = u ]; then
    { [ -w "${folder:-/}" ] && rm -f "$new"; } || echo "denied $number"
  fi
  number=$((number + 1))
done
[ -z "$stage" ] || echo "stage $stage"
exit 0
