# How the docker command works here: plain, sudo, or not at all and why.
LC_ALL=C; export LC_ALL
works() { "$@" version --format '{{.Server.Version}}' >/dev/null 2>&1; }
if works docker; then
  echo plain
elif [ "$SUDO" = yes ] && works sudo -n docker; then
  echo sudo
else
  docker version --format '{{.Server.Version}}' 2>&1 >/dev/null | tail -n 1 | sed 's/^/no /'
fi
exit 0
