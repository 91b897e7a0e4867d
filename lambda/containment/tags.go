package containment

import (
	"fmt"
	"slices"
	"strings"
)

// maxTagValue is how long a tag's value can be.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
const maxTagValue = 256

// originalsTags writes group ids into tags, as many as their length asks for: 16
// groups, the most that an interface can have, don't fit in one value.
func originalsTags(groups []string) map[string]string {
	tags := map[string]string{}
	value, n := "", 1
	for _, g := range groups {
		if value != "" && len(value)+1+len(g) > maxTagValue {
			value, n = "", n+1
		}
		value = strings.TrimSpace(value + " " + g)
		tags[originalsKey(n)] = value
	}
	return tags
}

func originalsKey(n int) string {
	if n == 1 {
		return OriginalsTag
	}
	return fmt.Sprintf("%s-%d", OriginalsTag, n)
}

// Originals reads the groups that an interface's tags say it had, sorted; none
// when it carries no such tag.
func Originals(tags map[string]string) []string {
	var groups []string
	for n := 1; ; n++ {
		value, ok := tags[originalsKey(n)]
		if !ok {
			slices.Sort(groups)
			return groups
		}
		groups = append(groups, strings.Fields(value)...)
	}
}
