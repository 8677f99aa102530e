package main

import (
	"context"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// nowhere says of every name that it does not exist. A test cluster knows no names but its own: asking
// anybody else would make a test depend on where it runs, and silence would make resolvers wait.
type nowhere struct{}

func init() { plugin.Register("nowhere", setupNowhere) }

func setupNowhere(controller *caddy.Controller) error {
	for controller.Next() {
		if controller.NextArg() || controller.NextBlock() {
			return plugin.Error("nowhere", controller.ArgErr())
		}
	}
	dnsserver.GetConfig(controller).AddPlugin(func(plugin.Handler) plugin.Handler { return nowhere{} })
	return nil
}

// Name is the plugin's name in a Corefile.
func (nowhere) Name() string { return "nowhere" }

// ServeDNS answers with NXDOMAIN and the record that lets a resolver remember it.
func (nowhere) ServeDNS(_ context.Context, writer dns.ResponseWriter, question *dns.Msg) (int, error) {
	state := request.Request{W: writer, Req: question}
	answer := new(dns.Msg)
	answer.SetRcode(question, dns.RcodeNameError)
	answer.Authoritative = true
	answer.Ns = []dns.RR{&dns.SOA{
		Hdr:    dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: state.QClass(), Ttl: 5},
		Ns:     "nowhere.",
		Mbox:   "nobody.nowhere.",
		Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: 5,
	}}
	return dns.RcodeNameError, writer.WriteMsg(answer)
}
