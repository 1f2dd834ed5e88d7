# Writes the keys KEYS, one a line, between the lines BEGIN and END of the user's authorized_keys, in one
# step; without keys the lines go, too. What stands outside of them is not touched.
LC_ALL=C; export LC_ALL
umask 077
folder=$HOME/.ssh
[ -d "$folder" ] || mkdir "$folder" || exit 1
file=$folder/authorized_keys
# A link stays one: what it points to is replaced.
[ -L "$file" ] && file=$(readlink -f "$file")
new=$file.a3-new
[ -e "$file" ] || : >"$file" || exit 1
# A copy first: it keeps the file's owner and mode where it can.
cp -p "$file" "$new" || exit 1
BEGIN=$BEGIN END=$END awk '
  $0 == ENVIRON["BEGIN"] { ours = 1; next }
  ours && $0 == ENVIRON["END"] { ours = 0; next }
  !ours' "$file" >"$new" &&
  { [ -z "$KEYS" ] || printf '%s\n%s\n%s\n' "$BEGIN" "$KEYS" "$END" >>"$new"; } &&
  mv -f "$new" "$file"
status=$?
[ "$status" = 0 ] || rm -f "$new"
exit "$status"
