package call

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"tourniquet/lambda/simvpc/world"
)

// Limits of tags (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html).
const (
	maxTags     = 50 // those of AWS services not counted
	maxTagKey   = 128
	maxTagValue = 256
)

// CheckTags reports whether tags may be added to those a resource has.
func CheckTags(has, add world.Tags) error {
	for key, value := range add {
		switch {
		case key == "":
			return Fail("InvalidParameterValue", "Tag key cannot be null or empty.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return Fail("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		case utf8.RuneCountInString(key) > maxTagKey:
			return Fail("InvalidParameterValue", "Tag key exceeds the maximum length of %d characters", maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return Fail("InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", maxTagValue)
		}
	}
	count := 0
	for key := range has {
		if _, again := add[key]; !again && !strings.HasPrefix(key, "aws:") {
			count++
		}
	}
	if count+len(add) > maxTags {
		return Fail("TagLimitExceeded", "More than %d tags specified", maxTags)
	}
	return nil
}

// A tagged is a resource that can have tags.
type tagged struct {
	kind Kind
	ID   string
	tags *world.Tags
}

// allTagged lists all resources that can have tags.
func allTagged(w *world.World) []tagged {
	return slices.Concat(
		taggedOf(w.VPCs, func(x *world.VPC) tagged { return tagged{KindVPC, x.ID, &x.Tags} }),
		taggedOf(w.Subnets, func(x *world.Subnet) tagged { return tagged{KindSub, x.ID, &x.Tags} }),
		taggedOf(w.Groups, func(x *world.SecurityGroup) tagged { return tagged{KindSG, x.ID, &x.Tags} }),
		taggedOf(w.ACLs, func(x *world.NetworkACL) tagged { return tagged{KindACL, x.ID, &x.Tags} }),
		taggedOf(w.Instances, func(x *world.Instance) tagged { return tagged{KindInst, x.ID, &x.Tags} }),
		taggedOf(w.Interfaces, func(x *world.Interface) tagged { return tagged{KindENI, x.ID, &x.Tags} }),
		taggedOf(w.Gateways, func(x *world.InternetGateway) tagged { return tagged{KindIGW, x.ID, &x.Tags} }),
		taggedOf(w.RouteTables, func(x *world.RouteTable) tagged { return tagged{KindRTB, x.ID, &x.Tags} }),
		taggedOf(w.Addresses, func(x *world.ElasticIP) tagged { return tagged{KindEIP, x.ID, &x.Tags} }),
		taggedOf(w.Volumes, func(x *world.Volume) tagged { return tagged{KindVol, x.ID, &x.Tags} }),
		taggedOf(w.Snapshots, func(x *world.Snapshot) tagged { return tagged{KindSnap, x.ID, &x.Tags} }),
		taggedOf(w.FlowLogs, func(x *world.FlowLog) tagged { return tagged{KindFL, x.ID, &x.Tags} }),
	)
}

func taggedOf[T any](all []*T, of func(*T) tagged) []tagged {
	found := make([]tagged, len(all))
	for i, x := range all {
		found[i] = of(x)
	}
	return found
}

// taggedByCall finds the resources that a call names.
func (r *Request) taggedByCall() ([]tagged, error) {
	ids := r.Params.List("ResourceId")
	if len(ids) == 0 {
		return nil, Fail("MissingParameter", "The request must contain the parameter resourceIdSet")
	}
	all := allTagged(r.World)
	var found []tagged
	for _, id := range ids {
		k, err := kindOf(id)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(t tagged) bool { return t.ID == id })
		if i < 0 {
			return nil, k.Missing(id)
		}
		found = append(found, all[i])
	}
	return found, nil
}

func kindOf(id string) (Kind, error) {
	for _, k := range []Kind{KindVPC, KindSub, KindSG, KindACL, KindInst, KindENI, KindVol, KindSnap, KindFL, KindEIP, KindIGW, KindRTB} {
		if strings.HasPrefix(id, k.prefix) {
			return k, k.Check(id)
		}
	}
	return Kind{}, Fail("InvalidID", "The ID '%s' is not valid", id)
}

func createTags(r *Request) (Answer, error) {
	resources, err := r.taggedByCall()
	if err != nil {
		return nil, err
	}
	add := world.Tags{}
	for _, tag := range r.Params.Structs("Tag") {
		add[tag.Str("Key")] = tag.Str("Value")
	}
	if len(add) == 0 {
		return nil, Fail("MissingParameter", "The request must contain the parameter tagSet")
	}
	for _, t := range resources {
		if err := CheckTags(*t.tags, add); err != nil {
			return nil, err
		}
	}
	for _, t := range resources {
		if *t.tags == nil {
			*t.tags = world.Tags{}
		}
		maps.Copy(*t.tags, add)
	}
	return Done(nil)
}

// deleteTags removes tags by key, or by key and value where a value is given,
// or all of them where no tag is.
func deleteTags(r *Request) (Answer, error) {
	resources, err := r.taggedByCall()
	if err != nil {
		return nil, err
	}
	named := r.Params.Structs("Tag")
	for _, tag := range named {
		if strings.HasPrefix(tag.Str("Key"), "aws:") {
			return nil, Fail("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		}
	}
	for _, t := range resources {
		maps.DeleteFunc(*t.tags, func(key, value string) bool {
			if len(named) == 0 {
				return !strings.HasPrefix(key, "aws:")
			}
			return slices.ContainsFunc(named, func(tag Params) bool {
				return tag.Str("Key") == key && (!tag.Has("Value") || tag.Str("Value") == value)
			})
		})
		if len(*t.tags) == 0 {
			*t.tags = nil
		}
	}
	return Done(nil)
}

// A tagRow is one tag of one resource.
type tagRow struct {
	ID    string `xml:"resourceId"`
	Type  string `xml:"resourceType"`
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

var tagRows = Catalogue[tagRow]{
	ID: func(t tagRow) string { return t.ID + " " + t.Key },
	Fields: map[string]func(*world.World, tagRow) []string{
		"key":           func(_ *world.World, t tagRow) []string { return []string{t.Key} },
		"value":         func(_ *world.World, t tagRow) []string { return []string{t.Value} },
		"resource-id":   func(_ *world.World, t tagRow) []string { return []string{t.ID} },
		"resource-type": func(_ *world.World, t tagRow) []string { return []string{t.Type} },
	},
	Tags: func(t tagRow) world.Tags { return world.Tags{t.Key: t.Value} },
}

func describeTags(r *Request) (Answer, error) {
	var rows []tagRow
	for _, t := range allTagged(r.World) {
		for key, value := range *t.tags {
			rows = append(rows, tagRow{t.ID, t.kind.Name, key, value})
		}
	}
	slices.SortFunc(rows, func(a, b tagRow) int { return cmp.Compare(tagRows.ID(a), tagRows.ID(b)) })
	found, next, err := tagRows.Describe(r, rows)
	return &struct {
		Reply
		Tags Set[tagRow] `xml:"tagSet"`
		Next string      `xml:"nextToken,omitempty"`
	}{Tags: Set[tagRow]{found}, Next: next}, err
}
