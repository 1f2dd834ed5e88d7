# Brings Docker to this machine: WITH is apt, dnf or start. A3_USER shall use it, FOLDER a3's folder.
# Everything here may have been done before. PATIENCE: seconds for another installation to end.
LC_ALL=C; export LC_ALL
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
user=$A3_USER
until=$(($(date +%s) + PATIENCE))
# Runs a command again while somebody else has the package manager's lock; ends with 75 if for too long.
patiently() {
  while :; do
    said=$("$@" 2>&1)
    status=$?
    [ "$status" = 0 ] && return 0
    case $said in
      *'Could not get lock'* | *'Unable to lock'* | *'was locked by another process'* | *'Unable to acquire the dpkg frontend lock'*) ;;
      *)
        printf '%s\n' "$said"
        exit "$status"
        ;;
    esac
    [ "$(date +%s)" -lt "$until" ] || exit 75
    echo "waiting for another installation to end"
    sleep 2
  done
}
case $WITH in
  apt)
    # What a crash has left half-way.
    patiently dpkg --configure -a
    echo "reading the package lists"
    patiently apt-get update -q
    # Of what is only recommended, what containers need: git, python and the like are nobody's wish. The
    # command is a package of its own since Debian 13.
    set -- docker.io ca-certificates
    apt-cache show docker-cli >/dev/null 2>&1 && set -- "$@" docker-cli
    [ -d /sys/kernel/security/apparmor ] && set -- "$@" apparmor
    # Nothing else is taken away for it: podman's docker, say.
    apt-get install -y -q --no-install-recommends --no-remove -o "DPkg::Lock::Timeout=$PATIENCE" "$@" || exit $?
    ;;
  dnf)
    # dnf waits for its lock by itself, for ever.
    timeout -k 10 900 dnf install -y docker
    status=$?
    [ "$status" = 124 ] && exit 75
    [ "$status" = 0 ] || exit "$status"
    ;;
esac
# What looks stopped may be half installed: its a3 went away, and it is still at work or was cut off.
if [ "$WITH" = start ]; then
  case $(dpkg-query -W -f '${Status}' docker.io 2>/dev/null) in
    *half* | *unpacked | *triggers*) patiently dpkg --configure -a ;;
  esac
fi
groupadd -f docker || exit 1
if [ "$user" != root ]; then usermod -aG docker "$user" || exit 1; fi
# Who may use the engine shares a3's folder; it was made when there was no such group.
case $FOLDER in
  /var/lib/*)
    if [ -d "$FOLDER" ]; then
      chgrp -R docker "$FOLDER" && chmod 2770 "$FOLDER" && chmod -R g+rwX "$FOLDER" || exit 1
    fi
    ;;
esac
if command -v systemctl >/dev/null 2>&1; then
  systemctl enable --now docker && exit 0
  systemctl status --no-pager --lines=10 docker
  exit 1
fi
service docker start
