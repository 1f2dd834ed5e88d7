# Runs the script INNER in a3's folder D, with sudo where the user may not write there.
if [ -w "$D" ] && [ -x "$D" ]; then
  as=
elif [ "$SUDO" = yes ] && [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then
  as='sudo -n'
else
  echo "cannot write $D" >&2
  exit 73
fi
printf '%s\n' "$INNER" | $as sh -s "$D"
