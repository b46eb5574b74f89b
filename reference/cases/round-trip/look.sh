# Every path: kind, mode, owner, time, and of all but directories size, links, device and target; then the content.
cd /
find srv links modes names empty special look.sh -print0 | sort -z > /tmp/paths
xargs -0 stat -c '%F %a %u:%g %Y %n' < /tmp/paths | cat -v
find srv links modes names empty special ! -type d -print0 | sort -z | xargs -0 stat -c '%s %h %t:%T %N' | cat -v
find srv links modes names -type f -print0 | sort -z | xargs -0 sha256sum | cat -v
for pair in first:second first:later first:below later:deep/again; do
  [ "links/${pair%:*}" -ef "links/${pair#*:}" ] && echo "$pair: the same file" || echo "$pair: two files"
done
[ srv/hard-a -ef links/below ] && echo "hard-a and below are the same file"
rm /tmp/paths
