#!/bin/sh
# Makes a video with Kling Omni Video behind DeerAPI, with curl and jq, and says what became of it.
#
#   omnimock check -- examples/shell/client.sh
#
# One job comes on standard input (or in OMNIMOCK_JOB), in the JSON of omnimock's driver protocol; its result is the
# last line of standard output.
#
# What it cannot do:
# - callbacks: it only polls. It has one job, and does nothing in parallel.
# - check requests: what is wrong with one, the provider has to say.
# - long numbers: jq before 1.7 rounds an element_id of 17 digits and more; write it as text.
# - bound the size of an answer that does not tell it beforehand (curl before 8.4); only the time of each is bounded.
# It needs a sleep that takes fractions of a second, which POSIX does not promise.
set -u
umask 077

for tool in curl jq; do
  command -v "$tool" >/dev/null || { echo "client.sh needs $tool, which is not installed" >&2; exit 127; }
done

attempts_max=6
job=$(cat)
[ -n "$job" ] || job=${OMNIMOCK_JOB:-}
printf '%s' "$job" | jq -e '.request | objects' >/dev/null 2>&1 ||
  { echo "there is no job in JSON, neither on standard input nor in OMNIMOCK_JOB" >&2; exit 2; }

of_job() { printf '%s' "$job" | jq -r "$1"; }

# For jq alone, which takes the key out of what is shown. An argument could be read by everybody on this machine.
API_KEY=$(of_job '.api_key // ""')
export API_KEY
case $API_KEY in
  '' | *[!A-Za-z0-9._~+/=-]*) echo "the api_key is empty, or has characters that no key has" >&2; exit 2 ;;
esac
url=$(of_job '.base_url | sub("/+$"; "")')/kling/v1/videos/omni-video
interval=$(of_job '.settings.poll_interval_seconds // 5')
request_timeout=$(of_job '.settings.request_timeout_seconds // 30')
ends_at=$(of_job 'now + (.settings.deadline_seconds // 900)')

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' INT TERM

# Reads an answer (raw, on standard input) into what it means:
#   ok       it tells of a task
#   later    the same may go through later
#   not-done so, and nothing was done this time
#   missing  there is no such task (yet)
#   exists   the external id is taken
#   refused  the same will be refused again
#   odd      an answer that should be good, and tells of no task
# shellcheck disable=SC2016  # The dollars are those of jq.
reading='
  def words: if type == "string" and . != "" then . else null end;
  def number: if type == "string" and test("^[0-9]{1,9}$") then tonumber else . end;
  def one_of($list): . as $it | any($list[]; . == $it);
  (ltrimstr("\ufeff") | try fromjson catch null) as $body
  | ($body | objects // {}) as $whole
  | ($whole.error | objects // $whole) as $error
  | ($error.code | number) as $code
  | ($error.message | words) as $message
  # Some gateways wrap the whole answer of the provider in a `data` of their own: every layer is looked at.
  | [$whole, $whole.data, ($whole.data | objects | .data), ($whole.data | objects | .data | objects | .data) | objects] as $layers
  | [$layers[] | (.task_status // .status) | strings | ascii_downcase | gsub("\\s"; "")
     | if one_of(["succeed", "succeeded", "success"]) then "succeed"
       elif one_of(["failed", "fail", "failure", "error"]) then "failed"
       elif one_of(["submitted", "processing", "not_start", "queued", "in_progress"]) then "running" else empty end] as $statuses
  | {
      status: ($statuses[0] // "unheard-of"),
      task_id: ([$layers[].task_id | words | select(. != null and . != "." and . != "..")][0] // null),
      url: ([$layers[].task_result | objects | .videos | if type == "array" then .[] else . end
             | objects | .url | strings | select(test("^https?://"))][0] // null),
      # Not `message`: that one says SUCCEED of failed tasks, too.
      reason: ([$layers[] | .task_status_msg, .fail_reason | words | select(. != null)][0] // null),
      code: $code, message: $message, http_status: ($http | tonumber),
      request_id: (($whole.request_id | words) // ($error.request_id | words)),
      # Seconds or a date. What is neither, or asks for nothing, does not count.
      retry_after: (if $retry_after | test("^[0-9]{1,9}$") then $retry_after | tonumber
                    else try ($retry_after | strptime("%a, %d %b %Y %H:%M:%S GMT") | mktime - now) catch 0 end)
    }
  | if .url == null and .status == "succeed" then .url = ((.reason | strings | select(test("^https?://"))) // null) else . end
  | .kind = (
      if $curl | one_of(["5", "6", "7"]) then "not-done"
      elif $curl | one_of(["35", "60"]) then "refused"
      elif $curl != "0" then "later"
      elif .http_status >= 200 and .http_status < 300 and ($whole.error | type) != "object"
           and ($code == null or $code == 0 or ($code | type == "string" and test("^(success|ok|succeed)$"; "i")))
        then (if ($whole.data | type) == "object" or .task_id != null then "ok" else "odd" end)
      elif $code | one_of([1100, 1101, 1102, 1304, "insufficient_user_quota", "invalid_request"]) then "refused"
      elif $message // "" | test("already[ _]?exist"; "i") then "exists"
      elif .http_status < 500 and (.http_status == 404
           or ("\($message) \($code)" | test("not[ _]?(found|exist)"; "i"))) then "missing"
      elif .http_status == 429 or ($code | one_of([1302, 1303])) then "not-done"
      elif .http_status >= 500 or .http_status == 408 or .http_status == 425 or ($code | one_of([5000, 5001, 5002]))
        then "later"
      elif .http_status >= 300 and .http_status < 400 then (if $method == "GET" then "later" else "refused" end)
      else "refused" end)'

# left -> the seconds before the deadline, 0 where it has passed.
left() { jq -n --argjson ends_at "$ends_at" '[$ends_at - now, 0] | max'; }
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

# ask METHOD [ID] -> sets `answer` and `kind`.
ask() {
  left=$(left)
  less 0 "$left" || finish timeout "the deadline passed"
  time_max=$request_timeout
  less "$left" "$time_max" && time_max=$left
  : >"$folder/head"
  : >"$folder/body"
  if [ "$1" = POST ]; then
    set -- POST "$url" --data-binary "@$folder/request" --header "Content-Type: application/json"
  else
    set -- GET "$url/$(printf '%s' "$2" | jq -sRr @uri)"
  fi
  method=$1 target=$2
  shift 2
  # The key goes in by standard input. No redirect is followed: it could lead the key to somebody else.
  printf 'header = "Authorization: Bearer %s"\n' "$API_KEY" |
    curl -q --silent --globoff --path-as-is --proto '=http,https' --max-time "$time_max" --max-filesize 4194304 \
      --request "$method" "$@" --output "$folder/body" --dump-header "$folder/head" --config - --url "$target"
  curl_status=$?
  # The last head counts: a 100 Continue can come before it.
  http=$(awk '/^HTTP\// { status = $2 } END { print status + 0 }' "$folder/head")
  retry_after=$(tr -d '\r' <"$folder/head" | sed -n 's/^[Rr]etry-[Aa]fter: *//p' | tail -n 1)
  answer=$(jq -cRs --arg http "$http" --arg curl "$curl_status" --arg method "$method" --arg retry_after "$retry_after" \
    "$reading" "$folder/body")
  kind=$(of_answer .kind)
  [ "$kind" = ok ] || echo "$method: curl $curl_status, HTTP $http, $(of_answer '"code \(.code), request \(.request_id)"
    | split($ENV.API_KEY) | join("[key]") | gsub("[^ -~]"; "?") | .[:200]')" >&2
}

of_answer() { printf '%s' "$answer" | jq -r "$1"; }

# finish OUTCOME [REASON] -> writes the result, with what the last answer told, and leaves.
finish() {
  # The key is taken out before a text is cut, lest half of it stays. jq escapes control characters itself, but for DEL
  # and those beyond ASCII.
  printf '%s' "${answer:-"{}"}" | jq -c --arg outcome "$1" --arg why "${2:-}" --arg curl "${curl_status:-}" --arg task_id "${task_id:-}" --arg job "$(of_job .job)" '
    def safe: if type == "string"
      then split($ENV.API_KEY) | join("[key]") | .[:500] | gsub("[\u0000-\u001f\u007f-\u009f\u2028\u2029]"; "?") else . end;
    def refusal: if .http_status == 401 then "the API key was not accepted (auth): \(.message)" else .message end;
    {job: $job, outcome: $outcome, task_id: (if $task_id == "" then null else $task_id end)}
    + if $outcome == "succeed" then {url}
      elif $outcome == "failed" then {reason: (.reason // "the provider gave no reason")}
      else {reason: (if $why == "" then refusal // (if .http_status == 0 then "no answer (curl ended with \($curl))"
        else "HTTP \(.http_status)" end) else $why end),
            code, http_status: (if .http_status == 0 then null else .http_status end), request_id} end
    | map_values(safe)'
  [ "$1" = succeed ]
  exit
}

# again OUTCOME -> waits for the next attempt, or gives up with this outcome. `failures` counts.
again() {
  failures=$((failures + 1))
  [ "$failures" -lt "$attempts_max" ] && [ "$kind" != refused ] || finish "$1"
  # Half of it is fixed and half is drawn, so that clients that failed together do not come back together.
  wait=$(awk -v n="$failures" -v seed="$$" -v told="$(of_answer .retry_after)" -v least="$([ "$http" = 429 ] && echo 1)" 'BEGIN {
    srand(seed + n)
    wait = 0.4 * 2 ^ (n - 1) * (0.5 + rand() / 2)
    if (told + 0 > 0) least = told
    print wait < least + 0 ? least : wait
  }')
  # No time would be left to try, so why wait.
  less "$wait" "$(left)" || finish "$1"
  sleep "$wait"
}

# An id of our own: the provider takes it once, so a create that is sent again cannot make a second task.
own_id=shell-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s' "$job" | jq -c --arg id "$own_id" '
  def flag: if . == "true" then true elif . == "false" then false else . end;
  def text: if type == "number" then tostring else . end;
  (.callback_url // null) as $callback_url
  | .request
  | with_entries(select(.key == "prompt" or (.value != null and .value != "" and .value != [])))
  | (if has("duration") then .duration |= text else . end)
  | (if has("multi_shot") then .multi_shot |= flag else . end)
  | (if .multi_prompt | type == "array" then .multi_prompt |= map(if type == "object" and has("duration") then .duration |= text else . end) else . end)
  | .external_task_id //= $id
  | if $callback_url then .callback_url //= $callback_url else . end' >"$folder/request"
external_id=$(jq -r .external_task_id "$folder/request")

# Submitting: whatever happens, at most one task. A create may have been accepted though we did not see it; then the
# provider is asked for our id before another is sent.
failures=0 doubtful='' odd=''
while :; do
  if [ -n "$doubtful" ]; then
    ask GET "$external_id"
    task_id=$(of_answer '.task_id // ""')
    [ "$kind" = ok ] && [ -n "$task_id" ] && break
    task_id=''
    [ "$kind" = missing ] || { again unknown; continue; }
    [ -z "$odd" ] || { answer=$odd; finish error "the answer to the create tells of no task"; }
  fi
  ask POST
  task_id=$(of_answer '.task_id // ""')
  [ "$kind" = ok ] && [ -n "$task_id" ] && break
  task_id=''
  case $kind in
    ok | odd) odd=$answer doubtful=yes ;;
    later) doubtful=yes ;;
    exists) [ -n "$doubtful" ] || finish rejected ;;
    refused | missing) [ "$http" = 0 ] && finish error "the connection is not to be trusted (curl $curl_status)"; finish rejected ;;
  esac
  if [ -n "$doubtful" ]; then again unknown; elif [ "$http" = 0 ]; then again error; else again rejected; fi
done

# Following: only what a query says ends a task.
failures=0 empty=0
while :; do
  if [ "$kind" = ok ]; then
    failures=0
    case $(of_answer '"\(.status) \(.url != null)"') in
      failed*) finish failed ;;
      "succeed true") finish succeed ;;
      "succeed false")
        empty=$((empty + 1))
        [ "$empty" -lt 3 ] || finish error "the task succeeded, and there is no video"
        ;;
    esac
    left=$(left)
    less "$interval" "$left" || { sleep "$left"; finish timeout "the task was not at its end in time"; }
    sleep "$interval"
  elif [ "$http" = 0 ] && ! less 0.1 "$(left)"; then
    finish timeout "the task was not at its end in time"
  else
    again error
  fi
  ask GET "$task_id"
done
