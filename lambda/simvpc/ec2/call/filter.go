package call

import (
	"strings"

	"tourniquet/lambda/simvpc/world"
)

// maxFilterValues is the most values the filters of one call may have
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html).
const maxFilterValues = 200

// A filter matches resources one of whose values matches one of its patterns.
type filter struct {
	name     string
	patterns []string
}

// filters reads the filters of a call.
func (r *Request) filters() ([]filter, error) {
	var all []filter
	values := 0
	for _, item := range r.Params.Structs("Filter") {
		f := filter{item.Str("Name"), item.List("Value")}
		if f.name == "" || len(f.patterns) == 0 {
			return nil, Fail("InvalidParameterValue", "The filter '%s' has no name or no values", f.name)
		}
		values += len(f.patterns)
		all = append(all, f)
	}
	if values > maxFilterValues {
		return nil, Fail("FilterLimitExceeded", "The maximum number of filter values on a request is %d, %d given",
			maxFilterValues, values)
	}
	return all, nil
}

// onTags reports whether the filter is one of those on tags.
func (f filter) onTags(taggable bool) bool {
	return taggable && (strings.HasPrefix(f.name, "tag:") || f.name == "tag-key" || f.name == "tag-value")
}

// matches reports whether a resource passes all filters.
func (c Catalogue[T]) matches(w *world.World, x T, filters []filter) bool {
	for _, f := range filters {
		var values []string
		if field := c.Fields[f.name]; field != nil {
			values = field(w, x)
		} else {
			values = tagValues(c.Tags(x), f.name)
		}
		if !f.accepts(values) {
			return false
		}
	}
	return true
}

func tagValues(tags world.Tags, name string) []string {
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if value, ok := tags[key]; ok {
			return []string{value}
		}
		return nil
	}
	var all []string
	for key, value := range tags {
		if name == "tag-value" {
			key = value
		}
		all = append(all, key)
	}
	return all
}

func (f filter) accepts(values []string) bool {
	for _, pattern := range f.patterns {
		for _, value := range values {
			if wildcard(pattern, value) {
				return true
			}
		}
	}
	return false
}

// wildcard matches a filter's pattern: "*" any text, "?" any character, "\"
// before either takes it literally.
func wildcard(pattern, s string) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '*':
			for i := 0; i <= len(s); i++ {
				if wildcard(pattern[1:], s[i:]) {
					return true
				}
			}
			return false
		case s == "":
			return false
		case pattern[0] == '\\' && len(pattern) > 1:
			pattern = pattern[1:]
			if pattern[0] != s[0] {
				return false
			}
		case pattern[0] != '?' && pattern[0] != s[0]:
			return false
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}
