#!/usr/bin/env bash
# From sentence pairs to a zipped, explained submission. --dry-run prints the command of each stage.
#
#   bash run.sh [--recipe NAME|FILE] [--nproc N] [--dry-run] [--force] [STAGE ...] [-- key.path=value ...]
#   bash run.sh similarity_v0 --sweep FILE [--recipe NAME|FILE] [--nproc N] [--dry-run] [--force] [-- key.path=value ...]
#   bash run.sh test [--quick|--thorough] [pytest arguments]
#   bash run.sh --help
#
# Stages, in order: prepare posttrain similarity_v0 similarity_v1; without a name, all. Finished stages are skipped.
# Without --recipe: `competition` if CUDA devices are visible, else `demo`.
# The first call makes a virtual environment in .venv (VENV= elsewhere) with PYTHON= or the first Python 3.10-3.13.
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT, and call this on each.
set -euo pipefail

caller_dir=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() { sed -n '2,13s/^# \{0,1\}//p' run.sh; }

fail() {
    echo "error: $1" >&2
    exit 2
}

# --- arguments -------------------------------------------------------------------------------------------------------
recipe="" nproc="" sweep="" dry_run=false
force=() stages=() overrides=()
testing=false
if [[ ${1:-} == test ]]; then
    testing=true
    shift
fi
while ! $testing && (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --recipe | --nproc | --sweep)
            [[ $# -ge 2 ]] || fail "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift ;;
        --recipe=*) recipe=${1#*=} ;;
        --sweep=*) sweep=${1#*=} ;;
        --nproc=*) nproc=${1#*=} ;;
        --dry-run) dry_run=true ;;
        --force) force=(--force) ;;
        --) shift; overrides+=("$@"); break ;;
        prepare | posttrain | similarity_v0 | similarity_v1) stages+=("$1") ;;
        -*) fail "unknown option $1; see bash run.sh --help" ;;
        *) fail "unknown stage $1; the stages are prepare posttrain similarity_v0 similarity_v1" ;;
    esac
    shift
done
[[ -z $sweep || ${stages[*]} == similarity_v0 ]] || fail "--sweep needs the stage similarity_v0, and no other stage"
[[ -z $nproc || $nproc =~ ^[1-9][0-9]*$ ]] || fail "--nproc needs a positive whole number, found $nproc"

# --- which recipe ----------------------------------------------------------------------------------------------------
count_cuda_devices() {
    case ${CUDA_VISIBLE_DEVICES-unset} in
        unset) { nvidia-smi -L 2>/dev/null || true; } | wc -l ;;
        "" | -1) echo 0 ;;
        *) tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | wc -l ;;
    esac
}
if ! $testing; then
    if [[ -n $recipe ]]; then
        echo "recipe $recipe: as asked"
        [[ $recipe == *.y?(a)ml && $recipe != /* ]] && recipe=$caller_dir/$recipe
    elif [[ -n $sweep ]]; then
        echo "recipe: as $sweep says"
    elif devices=$(count_cuda_devices) && ((devices > 0)); then
        recipe=competition
        echo "recipe competition: $devices CUDA devices are visible and none was named (--recipe demo needs no data, weights or GPU)"
    else
        recipe=demo
        echo "recipe demo: no CUDA device is visible and none was named"
    fi
fi

# --- environment -----------------------------------------------------------------------------------------------------
venv=${VENV:-.venv}
[[ $venv == /* || -z ${VENV:-} ]] || venv=$caller_dir/$venv
python=$venv/bin/python

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.10-3.13 is needed; ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1 | head -n 1). Name one with PYTHON=..."
}

# The copy of requirements.txt inside the environment says what is installed; it is written last.
if ! cmp -s requirements.txt "$venv/installed-requirements.txt"; then
    base_python=$(find_python)
    echo "setting up $venv with $("$base_python" --version): a few minutes, once" >&2
    [[ -x $python ]] || "$base_python" -m venv "$venv"
    "$python" -m pip install --quiet --no-cache-dir --disable-pip-version-check -r requirements.txt >&2 ||
        { echo "error: the packages of requirements.txt could not be installed into $venv (see above)" >&2; exit 1; }
    cp requirements.txt "$venv/installed-requirements.txt"
fi

if $testing; then
    exec "$python" -m pytest "$@"
fi

# --- stages ----------------------------------------------------------------------------------------------------------
all_stages=(prepare posttrain similarity_v0 similarity_v1)
named=" ${stages[*]-} "
stages=()
for stage in "${all_stages[@]}"; do # in the order of the flow, not of the arguments
    [[ -n ${named// /} && $named != *" $stage "* ]] || stages+=("$stage")
done
[[ -z $nproc ]] || overrides+=("nproc=$nproc")
options=(--recipe "$recipe" "${force[@]}")

# `plan` prints the exact command of a stage, with its launcher; nothing for a stage that is up to date. It reports a
# wrong recipe or a missing input before anything starts.
if $dry_run && [[ -z $sweep ]]; then
    exec "$python" -m final_project plan --dry-run "${options[@]}" --stages "${stages[@]}" -- "${overrides[@]}"
fi

# This shell passes signals on to the running stage and waits until it has written its state and ended. The stage has
# its own process group, so that Ctrl-C on a terminal reaches it once, through this shell.
stage_pid="" stopped_by=""
pass_on() {
    stopped_by=$1
    [[ -z $stage_pid ]] || kill -s "$1" "$stage_pid" 2>/dev/null || true
}
trap 'pass_on TERM' TERM
trap 'pass_on INT' INT

run_stage() {
    local status=0
    set -m
    eval "exec env $1" &
    stage_pid=$!
    set +m
    while wait "$stage_pid" && status=0 || status=$?; kill -0 "$stage_pid" 2>/dev/null; do :; done
    stage_pid=""
    exit_if_stopped
    return "$status"
}

exit_if_stopped() {
    case $stopped_by in
        TERM) exit 143 ;;
        INT) exit 130 ;;
    esac
}

if [[ -n $sweep ]]; then
    [[ $sweep == /* || ! -f $caller_dir/$sweep ]] || sweep=$caller_dir/$sweep
    options=("$sweep" ${recipe:+--recipe "$recipe"} "${force[@]}")
    ! $dry_run || options+=(--dry-run)
    run_stage "$(printf '%q ' "$python" -m similarity_v0 sweep "${options[@]}" -- "${overrides[@]}")"
    exit
fi

"$python" -m final_project plan --check "${options[@]}" --stages "${stages[@]}" -- "${overrides[@]}"
for stage in "${stages[@]}"; do
    command=$("$python" -m final_project plan "${options[@]}" --stages "$stage" -- "${overrides[@]}") || exit
    exit_if_stopped
    [[ -z $command ]] || run_stage "$command" || exit
done
