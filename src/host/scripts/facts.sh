# Everything a plan wants to know about a machine, one answer a line.
# NAME, BASE, SUDO, DOCKER_ROOT, KEYS_BEGIN, KEYS_END, FOLDER, FILES are set; the parameters are paths: u for a file that the user
# reads, s for one that is read with sudo, then the path.
LC_ALL=C; export LC_ALL
BASE=${BASE:-$HOME}
uid=$(id -u)
root=
if [ "$uid" = 0 ]; then
  sudo=yes
elif [ "$SUDO" = yes ] && sudo -n true 2>/dev/null; then
  sudo=yes root='sudo -n'
else
  sudo=no
fi
echo "arch $(uname -m)"
echo "name $(uname -n)"
echo "home $HOME"
echo "base $BASE"
echo "sudo $sudo"
echo "now $(date +%s)"
# In a shell of its own: its variables are not ours.
[ -r /etc/os-release ] && (. /etc/os-release && printf 'os %s|%s|%s\n' "$ID" "$VERSION_ID" "$PRETTY_NAME")

# What stands between a3's two lines.
[ -r "$HOME/.ssh/authorized_keys" ] && KEYS_BEGIN=$KEYS_BEGIN KEYS_END=$KEYS_END awk '
  $0 == ENVIRON["KEYS_BEGIN"] { ours = 1; next }
  ours && $0 == ENVIRON["KEYS_END"] { ours = 0; next }
  ours { print "admitted " $0 }' "$HOME/.ssh/authorized_keys"

# Of Docker: missing, stopped, or there. Whether it answers this user is asked elsewhere.
has_dockerd() { PATH=$PATH:/usr/sbin:/usr/local/bin:/usr/local/sbin:/snap/bin command -v dockerd >/dev/null 2>&1; }
docker=there
if [ -e /var/run/docker.sock ] || has_dockerd; then
  if command -v systemctl >/dev/null 2>&1; then
    case $(systemctl is-active docker 2>/dev/null) in inactive | failed) docker=stopped ;; esac
  elif [ ! -e /var/run/docker.sock ]; then
    docker=stopped
  fi
else
  docker=missing
fi
echo "docker $docker"

state=absent
for folder in "/var/lib/a3/$NAME" "$HOME/.a3/$NAME"; do
  [ -d "$folder" ] && { state=usable; break; }
done
as=
if [ "$state" = absent ]; then
  [ "$sudo" = yes ] && folder=/var/lib/a3/$NAME
elif [ ! -r "$folder" ] || [ ! -w "$folder" ] || [ ! -x "$folder" ]; then
  if [ "$sudo" = yes ]; then as=$root; else state=refused; fi
fi
echo "folder $state $folder"
[ "$state" = usable ] && printf '%s\n' "$FOLDER" | $as sh -s "$folder"

# Linux only: sockets that listen (0A), and of UDP those that are bound (07) to nobody in particular.
[ -r /proc/net/tcp ] && [ -r /proc/net/udp ] && echo "ports known"
for protocol in tcp udp; do
  cat "/proc/net/$protocol" "/proc/net/${protocol}6" 2>/dev/null | awk -v protocol="$protocol" '
    (protocol == "tcp" && $4 == "0A") || (protocol == "udp" && $4 == "07") { print "listens", protocol, $2 }' | sort -u
done

[ -d "$DOCKER_ROOT" ] || DOCKER_ROOT=/
df -Pk "$DOCKER_ROOT" 2>/dev/null | { read -r _; read -r _ _ _ free _ && echo "free $free"; }

paths() {
  kind=$1
  shift
  for path do
    case $path in "$kind"*) path=${path#?} ;; *) continue ;; esac
    case $path in
      '~') path=$HOME ;;
      '~/'*) path=$HOME/${path#??} ;;
      /*) ;;
      *) path=$BASE/$path ;;
    esac
    printf '%s\0' "$path"
  done
}
[ $# = 0 ] && exit 0
paths u "$@" | xargs -0 -n 500 sh -c "$FILES" a3-files
paths s "$@" | xargs -0 -n 500 $root sh -c "$FILES" a3-files
exit 0
