verify
draft "$(field since)" $((now + TTL)) && mv -f "$new" "lease-$n" || exit 1
mine_n=$n
highest
[ "$n" = "$mine_n" ] || exit 75
say renewed
