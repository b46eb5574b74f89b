# Completion of stagewright for fish.
function __stagewright_candidates
  set -l words (commandline -opc) (commandline -ct)
  set -l flag (string match -r -- '^--[^=]*=' (commandline -ct))
  set -l path (string replace -r -- '^--[^=]*=' '' (commandline -ct))
  for line in (command stagewright completion candidates -- $words[2..] 2>/dev/null)
    switch $line
      case :files
        string replace -r -- '^' "$flag" (__fish_complete_path "$path")
      case :directories
        string replace -r -- '^' "$flag" (__fish_complete_directories "$path" '')
      case '*'
        echo $line
    end
  end
end
complete -c stagewright -f -a '(__stagewright_candidates)'
