#!/bin/sh
# Prepares a new Debian host for [[.Name]]. Run it there as root, from the folder that it is in. It can be run again.
set -eu
cd "$(dirname "$0")"

id [[.Name]] >/dev/null 2>&1 || useradd --system --password '*' --home-dir /srv/[[.Name]] --shell /bin/sh [[.Name]]
mkdir -p /srv/[[.Name]]/.ssh
if [ ! -f /srv/[[.Name]]/.ssh/authorized_keys ] && [ -f /root/.ssh/authorized_keys ]; then
  cp /root/.ssh/authorized_keys /srv/[[.Name]]/.ssh/ # who may log in as root may deploy
fi
if [ ! -f /srv/[[.Name]]/[[.Name]].env ]; then
  secret=$(head -c 32 /dev/urandom | base64)
  sed "s|^TOWER_SECRET=.*|TOWER_SECRET='$secret'|" [[.Name]].env.example > /srv/[[.Name]]/[[.Name]].env
fi
chown -R [[.Name]]: /srv/[[.Name]]
chmod 755 /srv/[[.Name]]
chmod 700 /srv/[[.Name]]/.ssh
chmod 600 /srv/[[.Name]]/[[.Name]].env

if [ -d /run/systemd/system ]; then
  cp [[.Name]].service [[.Name]].socket [[.Name]]-http.socket /etc/systemd/system/
  systemctl daemon-reload
  systemctl enable --now [[.Name]].socket [[.Name]]-http.socket
  systemctl enable --now --no-block [[.Name]].service
fi
echo "ready for: tower deploy [[.Name]]@$(hostname)"
