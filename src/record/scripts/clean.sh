# Removes a3's folder D with everything in it, while the lease holds.
verify
cd /
if ! rm -rf "$D" 2>/dev/null; then
  # The folder above may be root's alone; then ours stays, empty.
  rm -rf "$D"/* "$D"/.[!.]* 2>/dev/null
  [ -z "$(ls -A "$D")" ] || exit 1
fi
rmdir "${D%/*}" 2>/dev/null
exit 0
