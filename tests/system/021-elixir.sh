#!/bin/bash
# A real Elixir release by mix: deploy, serve, roll back, restart, stop, start.
# fresh boot: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello_ex

expect 0 ctl deploy hello_ex hello_ex-1.tar.gz
serves 1.0.0 $hello_ex_port hello-ex
first=$(current_id hello-ex)
complete_release "/srv/hello-ex/releases/$first" "$archives/hello_ex-1.tar.gz"

expect 0 ctl deploy hello_ex - < hello_ex-2.tar.gz
serves 2.0.0 $hello_ex_port hello-ex
expect 0 ctl status --json hello_ex
assert_equal "$(jq -r '.state, .unit' <<< "$out" | paste -sd ' ')" "live hello-ex.service"

expect 0 ctl rollback hello_ex
serves 1.0.0 $hello_ex_port hello-ex
assert_equal "$(current_id hello-ex)" "$first"
expect 0 ctl restart hello_ex
serves 1.0.0 $hello_ex_port hello-ex
expect 0 ctl stop hello_ex
expect 3 systemctl is-active hello-ex
expect 0 ctl start hello_ex
serves 1.0.0 $hello_ex_port hello-ex

note "the app writes nothing into its release"
expect 1 as hello-ex touch "/srv/hello-ex/releases/$first/lib/new"
complete_release "/srv/hello-ex/releases/$first" "$archives/hello_ex-1.tar.gz"
