# Removes files. The parameters are u or s, path, for each; what is not there is fine.
LC_ALL=C; export LC_ALL
root=
[ "$(id -u)" = 0 ] || root='sudo -n'
status=0
number=0
while [ $# -gt 0 ]; do
  kind=$1 path=$2
  shift 2
  as=
  [ "$kind" = s ] && as=$root
  $as rm -f "$path" || { echo "failed $number"; status=1; }
  number=$((number + 1))
done
exit $status
