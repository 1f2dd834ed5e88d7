# Makes a3's folder D and the key in it, once. SUDO and INNER are set.
if [ -d "$D" ] && [ -w "$D" ] && [ -x "$D" ]; then
  as=
else
  case $D in
    "$HOME"/*) as= ;;
    *)
      as=
      if [ "$(id -u)" != 0 ]; then
        if [ "$SUDO" = yes ] && sudo -n true 2>/dev/null; then as='sudo -n'; else exit 73; fi
      fi
      ;;
  esac
fi
printf '%s\n' "$INNER" | $as sh -s
