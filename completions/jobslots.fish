# Completion of jobslots(1) for fish.

# Whether the command is one of these. What jobslots run runs may have words like them.
function __jobslots_is
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

set -l none 'test (count (commandline -opc)) = 1'

complete -c jobslots -f
complete -c jobslots -n $none -s h -l help -d 'Say how it is used'
complete -c jobslots -n $none -s V -l version -d 'Say the version'
complete -c jobslots -n $none -a doctor -d 'Say whether the jobserver of make can be used here'
complete -c jobslots -n $none -a run -d 'Run a command whose makes, pytests and compilers share N job slots'
complete -c jobslots -n $none -a timeline -d 'Draw a run of make from the traces of its sessions'
complete -c jobslots -n $none -a pool -d 'Print what makes a shell share the slots of one pool'
complete -c jobslots -n $none -a status -d 'Say who has which job slots'
complete -c jobslots -n $none -a top -d 'The same, live in a terminal'

complete -c jobslots -n '__jobslots_is doctor run timeline pool status top' -s h -l help -d 'Say how it is used'

complete -c jobslots -n '__jobslots_is doctor status' -l json -d 'As a JSON object'

complete -c jobslots -n '__jobslots_is run' -s j -l jobs -x -d 'A jobserver of its own'
complete -c jobslots -n '__jobslots_is run' -l style -x -a 'fifo pipe' -d 'How it is reached'
complete -c jobslots -n '__jobslots_is run' -l pool -d 'A slot of a pool'
complete -c jobslots -n '__jobslots_is run' -x -a '(__fish_complete_subcommand --fcs-skip=2)'

complete -c jobslots -n '__jobslots_is timeline' -s o -l output -r -F -d 'The picture'
complete -c jobslots -n '__jobslots_is timeline' -k -F

complete -c jobslots -n '__jobslots_is pool' -l env -d 'Print what joins a shell'
complete -c jobslots -n '__jobslots_is pool status top' -a machine -d 'The pool of this machine'
complete -c jobslots -n '__jobslots_is pool status top' -a '(__fish_complete_directories)' -d 'The folder of a pool'
