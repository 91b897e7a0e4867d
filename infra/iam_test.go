package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const otherAccount = "444455556666"

// The resources of the truth table.
var (
	eni      = ec2ARN("network-interface/eni-0123456789abcdef0")
	instance = ec2ARN("instance/i-0123456789abcdef0")
	subnet   = ec2ARN("subnet/subnet-0123456789abcdef0")
	group    = ec2ARN("security-group/sg-0123456789abcdef0")
	acl      = ec2ARN("network-acl/acl-0123456789abcdef0")
	vpcARN   = ec2ARN("vpc/vpc-0123456789abcdef0")
)

func ec2ARN(resource string) string {
	return "arn:aws:ec2:" + testRegion + ":" + testAccount + ":" + resource
}

// foreign is the same resource in another account, elsewhere in another Region.
func foreign(arn string) string { return strings.Replace(arn, testAccount, otherAccount, 1) }

func elsewhere(arn string) string { return strings.Replace(arn, testRegion, "us-east-1", 1) }

// setting is the context of a request that sets or deletes tags: key, value, …
func setting(pairs ...string) object {
	context := object{}
	var keys []string
	for i := 0; i+1 < len(pairs); i += 2 {
		context["aws:RequestTag/"+pairs[i]] = pairs[i+1]
		keys = append(keys, pairs[i])
	}
	context["aws:TagKeys"] = keys
	return context
}

// creating is the context in which EC2 asks for CreateTags while it makes a resource.
func creating(operation string, context object) object {
	context = maps.Clone(context)
	context["ec2:CreateAction"] = operation
	return context
}

// from a source: what a service says it acts for.
func source(arn string) object { return object{"aws:SourceArn": arn, "aws:SourceAccount": testAccount} }

const (
	allowed = true
	denied  = false

	contain = "contain"
	release = "release"

	modifyInterface = "ec2:ModifyNetworkInterfaceAttribute"
	createTags      = "ec2:CreateTags"
	deleteTags      = "ec2:DeleteTags"
	createGroup     = "ec2:CreateSecurityGroup"
	createEntry     = "ec2:CreateNetworkAclEntry"
	deleteEntry     = "ec2:DeleteNetworkAclEntry"

	roleTag     = "tourniquet:role"
	originals   = "tourniquet:original-groups"
	status      = "tourniquet:status"
	exempt      = "tourniquet:exempt"
	eventBridge = "events.amazonaws.com"
)

// iamRow is a row of the truth table.
type iamRow struct {
	name string
	access
	want bool
}

var quarantined = tags{roleTag: "quarantine"}

// TestIAMTruth holds the synthesized policies against a table of requests, each of
// one resource, as EC2 asks for them: a call goes through when all are allowed.
func TestIAMTruth(t *testing.T) {
	for name, tt := range map[string]struct {
		tpl  template
		rows []iamRow
	}{
		"plain":   {plain(t).template, slices.Concat(containRows, releaseRows, dataRows(t, plain(t).template), invocationRows(t, plain(t).template), hubRows(false), hostRows(true), watchRows(t, plain(t).template, true), keepRows(t, plain(t).template, true, false), isolationRows(false))},
		"options": {withOptions(t).template, slices.Concat(containRows, releaseRows, dataRows(t, withOptions(t).template), keyRows(t, withOptions(t).template), hubRows(true), hostRows(true), watchRows(t, withOptions(t).template, true), keepRows(t, withOptions(t).template, true, true), isolationRows(true))},
		"bare":    {bare(t).template, slices.Concat(containRows, releaseRows, hostRows(false), watchRows(t, bare(t).template, false), keepRows(t, bare(t).template, false, false), isolationRows(false))},
	} {
		t.Run(name, func(t *testing.T) {
			var all []access
			for _, row := range tt.rows {
				all = append(all, row.access)
			}
			n := map[bool]int{}
			for i, got := range decide(t, tt.tpl, all) {
				row := tt.rows[i]
				n[got]++
				if got != row.want {
					t.Errorf("%s: %s: %s on %s: allowed is %v, want %v", row.as, row.name, row.action, row.on, got, row.want)
				}
			}
			t.Logf("%d requests: %d allowed, %d denied", len(tt.rows), n[true], n[false])
		})
	}
}

// TestIAMAllowsTheScenarios: what the calls of package lambda's scenarios ask for,
// resource by resource, is allowed to the function that makes them, in the stack with
// every option.
func TestIAMAllowsTheScenarios(t *testing.T) {
	var requests []struct {
		Role, Action, Resource, Creating string
		Attribute, Value                 string
		Foreign                          bool
		Tags, Sets                       tags
	}
	read(t, "../lambda/testdata/requests.json", &requests)
	if len(requests) < 15 {
		t.Fatalf("got %d requests", len(requests))
	}
	var all []access
	for _, r := range requests {
		a := access{r.Role, r.Action, "*", r.Tags, object{}}
		if service, resource, elsewhere := strings.Cut(r.Resource, ":"); elsewhere {
			a.on = "arn:aws:" + service + ":" + testRegion + ":" + testAccount + ":" + resource
		} else if r.Resource != "*" {
			a.on = ec2ARN(r.Resource + "/" + r.Resource + "-0123456789abcdef0")
		}
		if r.Foreign {
			a.on = foreign(a.on)
		}
		if len(r.Sets) > 0 {
			var pairs []string
			for k, v := range r.Sets {
				pairs = append(pairs, k, v)
			}
			a.context = setting(pairs...)
		}
		if r.Attribute != "" {
			a.context["ec2:Attribute"] = r.Attribute
		}
		if r.Value != "" {
			a.context["ec2:Attribute/"+r.Attribute] = r.Value
		}
		if r.Creating != "" {
			a.context = creating(r.Creating, a.context)
		}
		all = append(all, a)
	}
	for i, ok := range decide(t, withOptions(t).template, all) {
		if !ok {
			t.Errorf("%s needs what its role denies: %+v", all[i].as, requests[i])
		}
	}
}
