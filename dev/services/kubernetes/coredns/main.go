// Command coredns is CoreDNS with the few plugins that a test cluster needs. All of them together would
// bring the clients of every cloud and take many times as long to compile.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	// The order in which plugins see a query: each answers, or hands it to the next.
	dnsserver.Directives = []string{"bind", "ready", "errors", "cache", "kubernetes", "nowhere"}
	coremain.Run()
}
