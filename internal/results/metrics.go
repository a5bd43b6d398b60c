package results

import (
	"encoding/json"
	"math"
)

// Metrics are a run's numbers by name. A metric that found nothing is there
// as NaN, which is null in run.json and an empty cell in the tables.
type Metrics map[string]float64

// MarshalJSON writes null for values that JSON numbers can't represent.
func (m Metrics) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("null"), nil
	}
	values := make(map[string]*float64, len(m))
	for name, v := range m {
		values[name] = nil
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			values[name] = &v
		}
	}
	return json.Marshal(values)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (m *Metrics) UnmarshalJSON(data []byte) error {
	var values map[string]*float64
	if err := json.Unmarshal(data, &values); err != nil || values == nil {
		*m = nil
		return err
	}
	*m = make(Metrics, len(values))
	for name, v := range values {
		(*m)[name] = math.NaN()
		if v != nil {
			(*m)[name] = *v
		}
	}
	return nil
}

// metricCell formats a metric as in run.json; it is empty for one that was not found.
func metricCell(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return jsonCell(v)
}
