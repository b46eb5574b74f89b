# Completion of stagewright for bash. Needs nothing else, bash-completion neither.
_stagewright() {
  local line=${COMP_LINE:0:COMP_POINT} words current kept candidate
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=${words[-1]}
  kept=${current%"${current##*[=:]}"}
  COMPREPLY=()
  while IFS= read -r candidate; do
    case $candidate in
      :files) compopt -o default; return ;;
      :directories) compopt -o dirnames; return ;;
    esac
    candidate=${candidate%%$'\t'*}
    [[ $candidate == *= ]] && compopt -o nospace
    COMPREPLY+=("${candidate#"$kept"}")
  done < <(stagewright completion candidates -- "${words[@]:1}" 2>/dev/null)
}
complete -F _stagewright stagewright
