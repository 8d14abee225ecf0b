# usage: start.sh rados|dbstore   with PORT, and MON_PORT with 30 free ports after it; keys: KEYS="NAME:SECRET …"
set -eu
store=$1
mkdir -p /data
case $store in
dbstore)
  cat >/etc/ceph/ceph.conf <<C
[client]
rgw backend store = dbstore
rgw config store = dbstore
dbstore db dir = /data
dbstore config uri = file:/data/config.db
no mon config = true
C
  ;;
rados)
  fsid=$(cat /proc/sys/kernel/random/uuid)
  cat >/etc/ceph/ceph.conf <<C
[global]
fsid = $fsid
keyring = /etc/ceph/keyring
mon host = [v2:127.0.0.1:$MON_PORT/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = $((MON_PORT + 1))
ms bind port max = $((MON_PORT + 30))
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
rgw rados pool pg num min = 1
C
  ;;
esac
cat >>/etc/ceph/ceph.conf <<C
log to file = false
log to stderr = false
err to stderr = true
admin socket =
rgw data = /data
rgw frontends = beast endpoint=127.0.0.1:$PORT
C
if [ "$store" = rados ]; then
  key() { ceph-authtool /etc/ceph/keyring --gen-key -n "$@" >/dev/null; }
  ceph-authtool --create-keyring /etc/ceph/keyring >/dev/null
  key mon. --cap mon 'allow *'
  key client.admin --cap mon 'allow *' --cap osd 'allow *'
  key osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
  key client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
  mkdir -p /var/lib/ceph/mon/ceph-a /var/lib/ceph/osd/ceph-0
  monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$MON_PORT/0]" /tmp/monmap >/dev/null
  ceph-mon --mkfs -i a --monmap /tmp/monmap --keyring /etc/ceph/keyring
  ceph-mon -i a -f &
  ceph osd create >/dev/null
  ceph-osd -i 0 --mkfs
  ceph osd crush add osd.0 1.0 host=one root=default
  ceph-osd -i 0 -f &
fi
for each in $KEYS; do
  name=${each%%:*}
  radosgw-admin user create --uid="$name" --display-name="$name" --access-key="$name" --secret-key="${each#*:}" >/dev/null
done
exec radosgw -f -n client.rgw
