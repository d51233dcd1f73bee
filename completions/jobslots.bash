# Completion of jobslots(1) for bash.

_jobslots_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_jobslots_pool() {
  mapfile -t COMPREPLY < <(
    compgen -W machine -- "$1"
    compgen -d -- "$1"
  )
}

# The command line that jobslots run is given begins at the first word that is no option of its own.
_jobslots_run() {
  local current=${COMP_WORDS[COMP_CWORD]} i=2
  while ((i < COMP_CWORD)); do
    case ${COMP_WORDS[i]} in
      --) ((++i)); break ;;
      -j | --jobs | --style | --pool)
        # bash takes --jobs=8 apart, into three words; -j 8 are two, and --pool may stand alone.
        if [[ ${COMP_WORDS[i + 1]} == = ]]; then
          ((i += 3))
        elif [[ ${COMP_WORDS[i]} == --pool ]]; then
          ((++i))
        else
          ((i += 2))
        fi
        ;;
      -*) ((++i)) ;;
      *) break ;;
    esac
  done
  if ((i > COMP_CWORD)); then
    # A value: its option stands before it, with or without a word that is =.
    local option=${COMP_WORDS[COMP_CWORD - 1]}
    if [[ $option == = ]]; then
      option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $current == = ]]; then
      current=
    fi
    case $option in
      --style) _jobslots_words "fifo pipe" "$current" ;;
      --pool) _jobslots_pool "$current" ;;
    esac
  elif ((i == COMP_CWORD)) && [[ $current == -* && ${COMP_WORDS[i - 1]} != -- ]]; then
    _jobslots_words "-j --jobs= --pool --pool= --style=fifo --style=pipe --help --" "$current"
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
  elif declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "$i"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "$i"
  elif ((i == COMP_CWORD)); then
    mapfile -t COMPREPLY < <(compgen -c -- "$current")
  fi
}

_jobslots() {
  local current=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _jobslots_words "doctor run timeline pool status top --help --version" "$current"
    return
  fi
  case ${COMP_WORDS[1]} in
    run) _jobslots_run ;;
    doctor) _jobslots_words "--json --help" "$current" ;;
    timeline)
      [[ $current == -* ]] && _jobslots_words "-o --output --help" "$current"
      ;;
    pool | status | top)
      local options=--help
      [[ ${COMP_WORDS[1]} == pool ]] && options+=" --env"
      [[ ${COMP_WORDS[1]} == status ]] && options+=" --json"
      if [[ $current == -* ]]; then
        _jobslots_words "$options" "$current"
      else
        _jobslots_pool "$current"
      fi
      ;;
  esac
}

# Files are what is left: traces, and arguments of a command.
complete -o default -F _jobslots jobslots
