cd /many
ls -A | wc -l
find . -print0 | sort -z | xargs -0 stat -c '%F %a %u:%g %Y %n' | sha256sum
stat -c '%F %a %u:%g %Y %n' . 1 2 42 2500 again
[ 2500 -ef again ] && echo "one file"
