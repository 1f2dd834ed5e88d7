# Which Docker logins lie on a machine: one line for each, `user` or `root`, and the server. The parameters are
# the servers; SUDO says whether root's are looked at. What an entry holds is never read out.
LC_ALL=C; export LC_ALL
has() { tr -d ' \t\r\n' | grep -qF "\"$1\":{"; }
for server do
  cat "${DOCKER_CONFIG:-$HOME/.docker}/config.json" 2>/dev/null | has "$server" && echo "user $server"
done
if [ "$(id -u)" != 0 ] && [ "$SUDO" = yes ]; then
  for server do
    sudo -n cat /root/.docker/config.json 2>/dev/null | has "$server" && echo "root $server"
  done
fi
exit 0
