#compdef stagewright
# Completion of stagewright for zsh: source it, or name it _stagewright in a directory of fpath.
_stagewright() {
  local line value
  local -a lines described
  lines=("${(@f)$(stagewright completion candidates -- "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
  for line in $lines; do
    case $line in
      :files) [[ $PREFIX == --*=* ]] && compset -P '*='; _files; return ;;
      :directories) [[ $PREFIX == --*=* ]] && compset -P '*='; _files -/; return ;;
    esac
    value=${line%%$'\t'*}
    described+=("${value//:/\\:}:${line#*$'\t'}")
  done
  _describe stagewright described
}
if [[ $funcstack[1] == _stagewright ]]; then
  _stagewright "$@"
else
  compdef _stagewright stagewright
fi
