# Puts files in place, each in one step. STAGE is set where sudo's files wait; the parameters are u or s,
# target, temporary name beside it, mode, for each file, in the order in which they were sent.
LC_ALL=C; export LC_ALL
root=
[ "$(id -u)" = 0 ] || root='sudo -n'
number=0
status=0
while [ $# -gt 0 ]; do
  kind=$1 target=$2 new=$3 mode=$4
  shift 4
  as=
  if [ "$kind" = s ]; then
    as=$root
    if ! { $as rm -f "$new" && $as cp "$STAGE/$number" "$new" && $as chmod "$mode" "$new"; }; then
      $as rm -f "$new"
      echo "failed $number"
      status=1 number=$((number + 1))
      continue
    fi
  fi
  # Where the target has become a folder, mv would put the file into it.
  if $as test -d "$target" || ! $as mv -f "$new" "$target"; then
    $as rm -f "$new"
    echo "failed $number"
    status=1
  fi
  number=$((number + 1))
done
[ -z "$STAGE" ] || rm -rf "$STAGE"
exit $status
