// A plugin for client telemetry (KIP-714): writes what clients push to the file that "telemetry.witness.file" of the broker's
// settings names, read by Kafka's own classes of OpenTelemetry. A line for each push, "push CLIENT_ID INSTANCE TERMINATING
// CONTENT_TYPE", and one for each metric in it, "metric NAME KIND NUMBER_KIND VALUE START TIME ATTRIBUTES RESOURCE", with tabs between; at
// the end of each push a line "end".

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.MetricsReporter;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.telemetry.ClientTelemetry;
import org.apache.kafka.server.telemetry.ClientTelemetryPayload;
import org.apache.kafka.server.telemetry.ClientTelemetryReceiver;
import org.apache.kafka.shaded.io.opentelemetry.proto.common.v1.KeyValue;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Metric;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.MetricsData;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.NumberDataPoint;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ResourceMetrics;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ScopeMetrics;

public class TelemetryWitness implements MetricsReporter, ClientTelemetry, ClientTelemetryReceiver {
    private Path file;

    @Override
    public void configure(Map<String, ?> settings) {
        file = Path.of((String) settings.get("telemetry.witness.file"));
    }

    @Override
    public ClientTelemetryReceiver clientReceiver() {
        return this;
    }

    @Override
    public synchronized void exportMetrics(AuthorizableRequestContext context, ClientTelemetryPayload payload) {
        StringBuilder text = new StringBuilder();
        line(text, "push", context.clientId(), payload.clientInstanceId(), payload.isTerminating(), payload.contentType());
        try {
            for (ResourceMetrics of : MetricsData.parseFrom(payload.data()).getResourceMetricsList())
                for (ScopeMetrics scope : of.getScopeMetricsList())
                    for (Metric metric : scope.getMetricsList())
                        write(text, metric, pairs(of.getResource().getAttributesList()));
            text.append("end\n");
            Files.writeString(file, text, StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private static void write(StringBuilder text, Metric metric, String resource) {
        if (metric.hasGauge())
            for (NumberDataPoint point : metric.getGauge().getDataPointsList())
                point(text, metric.getName(), "gauge", point, resource);
        if (metric.hasSum()) {
            String monotonic = metric.getSum().getIsMonotonic() ? "monotonic " : "";
            for (NumberDataPoint point : metric.getSum().getDataPointsList())
                point(text, metric.getName(), monotonic + metric.getSum().getAggregationTemporality(), point, resource);
        }
    }

    private static void point(StringBuilder text, String name, String kind, NumberDataPoint point, String resource) {
        Object value = point.hasAsInt() ? (Object) point.getAsInt() : (Object) point.getAsDouble();
        line(text, "metric", name, kind, point.getValueCase(), value, point.getStartTimeUnixNano(), point.getTimeUnixNano(),
            pairs(point.getAttributesList()), resource);
    }

    private static String pairs(List<KeyValue> attributes) {
        return attributes.stream().map(it -> it.getKey() + "=" + it.getValue().getStringValue()).sorted().collect(Collectors.joining(","));
    }

    private static void line(StringBuilder text, Object... words) {
        for (int i = 0; i < words.length; i++)
            text.append(i == 0 ? "" : "\t").append(words[i]);
        text.append('\n');
    }

    @Override
    public void init(List<KafkaMetric> metrics) {}

    @Override
    public void metricChange(KafkaMetric metric) {}

    @Override
    public void metricRemoval(KafkaMetric metric) {}

    @Override
    public void close() {}
}
