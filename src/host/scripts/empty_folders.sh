# Removes folders that have become empty, from each parameter upwards, never HOME or BASE itself or what is
# not below one of them.
BASE=${BASE:-$HOME}
for folder do
  while :; do
    case $folder in
      "$HOME" | "$BASE") break ;;
      "$HOME"/* | "$BASE"/*) rmdir "$folder" 2>/dev/null || break ;;
      *) break ;;
    esac
    folder=${folder%/*}
  done
done
exit 0
