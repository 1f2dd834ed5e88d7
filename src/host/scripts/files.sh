# For each parameter, in order: what is there; then modes, then digests of the files among them, in order.
for path do
  shift
  if [ -f "$path" ]; then
    if [ -r "$path" ]; then
      echo file
      set -- "$@" "$path"
    else
      echo other
    fi
  elif [ -e "$path" ] || [ -L "$path" ]; then
    echo other
  else
    echo absent
  fi
done
[ $# = 0 ] && exit 0
if stat -L -c %a / >/dev/null 2>&1; then
  stat -L -c 'mode %a' -- "$@"
else
  stat -L -f 'mode %Lp' -- "$@"
fi
if command -v sha256sum >/dev/null; then
  sha256sum -- "$@"
else
  shasum -a 256 -- "$@"
fi | sed 's/^\\*\([0-9a-f]\{64\}\) .*/digest \1/'
