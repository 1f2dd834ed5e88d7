LC_ALL=C; export LC_ALL
umask 022
mkdir -p "${D%/*}" || exit 1
umask 077
mkdir "$D" 2>/dev/null
cd "$D" || exit 1
# Whoever may use the engine can do everything on the machine, so the folder is shared with them.
case $D in
  /var/lib/*) chgrp docker . 2>/dev/null && chmod 2770 . 2>/dev/null ;;
esac
if [ ! -f key ]; then
  od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >".key.$$" || exit 1
  chmod 0640 ".key.$$"
  # A link is made only where there is none: of two at a time one key wins.
  ln ".key.$$" key 2>/dev/null
  rm -f ".key.$$"
fi
printf 'key '
tr -d '\n' <key
echo
