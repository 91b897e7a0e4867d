package drill

import (
	"log/slog"
	"time"

	"tourniquet/lambda/config"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/host"
	"tourniquet/lambda/keep"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/vpc"
)

// ledgerWait bounds each call of the ledger, which is in memory here.
const ledgerWait = time.Second

// defaults are the rules of a stack that is deployed without a setting. No flow logs
// are made: what still exchanges packets is seen on the packets themselves.
func defaults() (plan.Rules, error) {
	cfg, err := config.Parse(map[string]string{
		config.Table: "drill", config.IsolateDocument: host.IsolateName, config.RestoreDocument: host.RestoreName,
	})
	return cfg.Rules(), err
}

// responder is the function that contains, on a stage.
func (s *stage) responder(rules plan.Rules, decides policy.Policy, book containment.Ledger) *containment.Responder {
	keeping, hosts := keep.New(s.config), &host.Client{Config: s.config, Isolate: host.IsolateName}
	r := &containment.Responder{
		EC2: s.client, Fleet: s.client, Ledger: book, Policy: decides, Rules: rules, Keeping: keeping, Hosts: hosts,
		Beside: map[record.Kind]containment.Measures{record.KindHost: host.Isolating{Client: hosts}},
		Log:    slog.New(slog.DiscardHandler), Now: time.Now, LedgerWait: ledgerWait,
	}
	for _, kind := range record.Keeping {
		r.Beside[kind] = keeping
	}
	return r
}

// releaser is the function that releases and admits, on a stage.
func (s *stage) releaser(book *ledger.Memory, now func() time.Time) *containment.Releaser {
	hosts := &host.Client{Config: s.config, Restore: host.RestoreName}
	return &containment.Releaser{
		EC2: &vpc.Reverter{Client: s.client}, Ledger: book, Book: book, Leases: book, Hosts: hosts,
		Beside: map[record.Kind]containment.Measures{record.KindHost: host.Restoring{Client: hosts}},
		Keeper: &keep.Reverter{Client: keep.New(s.config)},
		Log:    slog.New(slog.DiscardHandler), Now: now, LedgerWait: ledgerWait,
	}
}
