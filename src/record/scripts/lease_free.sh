# Takes the lease away from whoever holds it: a higher one that is already given back.
highest
[ "$n" -gt 0 ] || exit 0
expires=$(field expires)
[ "$expires" -gt "$now" ] || exit 0
say freed
draft "$now" 0 || exit 1
ln "$new" "lease-$((n + 1))"
status=$?
rm -f "$new"
exit $status
