import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.Properties;
import software.amazon.event.ruler.JsonRuleCompiler;
import software.amazon.event.ruler.Machine;

/**
 * Asks EventBridge's own matcher which events each pattern matches. Reads
 * patterns.json and events.json of a directory, writes pattern-truth.json.
 */
public final class Truth {
    public static void main(String[] args) throws Exception {
        Path dir = Path.of(args[0]);
        ObjectMapper json = new ObjectMapper();
        JsonNode patterns = json.readTree(dir.resolve("patterns.json").toFile());
        ObjectNode truth = json.createObjectNode();
        truth.put("matcher", "event-ruler " + version());
        truth.put("patterns", sha256(dir.resolve("patterns.json")));
        truth.put("events", sha256(dir.resolve("events.json")));
        ArrayNode rows = truth.putArray("rows");
        for (JsonNode event : json.readTree(dir.resolve("events.json").toFile())) {
            ObjectNode row = rows.addObject().put("name", event.get("name").asText());
            for (Iterator<String> names = patterns.fieldNames(); names.hasNext(); ) {
                String name = names.next();
                String pattern = patterns.get(name).toString();
                String problem = JsonRuleCompiler.check(pattern);
                if (problem != null) {
                    throw new IllegalArgumentException(name + ": " + problem);
                }
                Machine machine = new Machine();
                machine.addRule(name, pattern);
                row.put(name, machine.rulesForJSONEvent(event.get("event").toString()).contains(name));
            }
        }
        String text = json.writerWithDefaultPrettyPrinter().writeValueAsString(truth);
        Files.writeString(dir.resolve("pattern-truth.json"), text + "\n");
    }

    private static String version() throws Exception {
        Properties p = new Properties();
        try (InputStream in = Machine.class.getResourceAsStream("/META-INF/maven/software.amazon.event.ruler/event-ruler/pom.properties")) {
            p.load(in);
        }
        return p.getProperty("version");
    }

    private static String sha256(Path file) throws Exception {
        byte[] sum = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
        return HexFormat.of().formatHex(sum);
    }
}
