// A Varlink client that shares no code with ours: Debian's Go library.
//
//	client idl FILE          the library's parser takes the interface text
//	client talk ADDRESS APP  introspection, look-ups, a restart with progress, errors
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/varlink/go/varlink"
	"github.com/varlink/go/varlink/idl"
)

func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, "client: "+format+"\n", arguments...)
	os.Exit(1)
}

func parse(text string) *idl.IDL {
	parsed, err := idl.New(text)
	if err != nil {
		fail("the interface does not parse: %v", err)
	}
	if parsed.Name != "io.deployd" || len(parsed.Methods) < 15 || len(parsed.Errors) < 10 {
		fail("odd interface: %s, %d methods, %d errors", parsed.Name,
			len(parsed.Methods), len(parsed.Errors))
	}
	return parsed
}

type object map[string]interface{}

func call(ctx context.Context, c *varlink.Connection, method string, in object) object {
	var out object
	if err := c.Call(ctx, method, in, &out); err != nil {
		fail("%s: %v", method, err)
	}
	return out
}

func refused(ctx context.Context, c *varlink.Connection, method string, in object, name string) {
	var out object
	err := c.Call(ctx, method, in, &out)
	if err == nil {
		fail("%s(%v) was not refused", method, in)
	}
	got := err.Error()
	if known, ok := err.(*varlink.Error); ok {
		got = known.Name
	}
	if got != name {
		fail("%s(%v): %s, not %s", method, in, got, name)
	}
}

func talk(address, app string) {
	ctx := context.Background()
	c, err := varlink.NewConnection(ctx, address)
	if err != nil {
		fail("%v", err)
	}
	defer c.Close()

	var vendor, product, version, url string
	var interfaces []string
	if err := c.GetInfo(ctx, &vendor, &product, &version, &url, &interfaces); err != nil {
		fail("GetInfo: %v", err)
	}
	fmt.Println(vendor, product, version, url, interfaces)
	text, err := c.GetInterfaceDescription(ctx, "io.deployd")
	if err != nil {
		fail("GetInterfaceDescription: %v", err)
	}
	parse(text)
	service, err := c.GetInterfaceDescription(ctx, "org.varlink.service")
	if err != nil {
		fail("GetInterfaceDescription: %v", err)
	}
	if _, err := idl.New(service); err != nil {
		fail("org.varlink.service: %v", err)
	}

	apps := call(ctx, c, "io.deployd.List", nil)["apps"].([]interface{})
	if len(apps) != 1 || apps[0].(map[string]interface{})["app"] != app {
		fail("List: %v", apps)
	}
	status := call(ctx, c, "io.deployd.Status", object{"app": app})["status"]
	if status.(map[string]interface{})["state"] != "live" {
		fail("Status: %v", status)
	}

	receive, err := c.Send(ctx, "io.deployd.Restart", object{"app": app}, varlink.More)
	if err != nil {
		fail("Restart: %v", err)
	}
	for {
		var reply map[string]json.RawMessage
		flags, err := receive(ctx, &reply)
		if err != nil {
			fail("Restart: %v", err)
		}
		fmt.Printf("progress %s outcome %s\n", reply["progress"], reply["outcome"])
		if flags&varlink.Continues == 0 {
			if string(reply["outcome"]) == "null" || len(reply["outcome"]) == 0 {
				fail("Restart: no outcome in the last reply")
			}
			break
		}
	}
	outcome := call(ctx, c, "io.deployd.Restart", object{"app": app})["outcome"]
	if outcome.(map[string]interface{})["result"] != "ok" {
		fail("Restart: %v", outcome)
	}

	refused(ctx, c, "io.deployd.Restart", object{"app": 1}, "org.varlink.service.InvalidParameter")
	refused(ctx, c, "io.deployd.Restart", object{"apq": app}, "org.varlink.service.InvalidParameter")
	refused(ctx, c, "io.deployd.Nothing", nil, "org.varlink.service.MethodNotFound")
	refused(ctx, c, "io.nothing.Nothing", nil, "org.varlink.service.InterfaceNotFound")
	refused(ctx, c, "io.deployd.Deploy", object{"app": app, "archiveFileDescriptor": 0},
		"org.varlink.service.InvalidParameter")
	call(ctx, c, "io.deployd.List", nil)
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "idl":
		text, err := os.ReadFile(os.Args[2])
		if err != nil {
			fail("%v", err)
		}
		parse(string(text))
	case len(os.Args) == 4 && os.Args[1] == "talk":
		talk(os.Args[2], os.Args[3])
	default:
		fail("usage: client idl FILE | client talk ADDRESS APP")
	}
}
